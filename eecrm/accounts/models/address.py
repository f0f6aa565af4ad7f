"""Requested new email addresses of accounts, which wait to be confirmed."""

import re
from datetime import UTC, timedelta
from hashlib import blake2b
from typing import ClassVar, Self

from django.db import connection, models
from django.db.models.expressions import Combinable, RawSQL
from django.db.models.functions import Now

from access.masks import EMAIL
from accounts.models.user import User
from api.email_addresses import AddressField, address_checked

# A requested address must be confirmed within this time. The trigger `address_change_rules` has the same value.
LIFETIME = timedelta(days=7)


class AddressChangeQuerySet(models.QuerySet["AddressChange"]):
    def open(self) -> Self:
        return self.filter(created_at__gt=Now() - LIFETIME)

    def expired(self) -> Self:
        return self.filter(created_at__lte=Now() - LIFETIME)

    def marked(self, mark: str) -> "AddressChange | None":
        """Returns the change whose `AddressChange.mark` (identifier in links and forms) is this text, or None."""
        key = mark.partition("-")[0]
        found = self.filter(pk=key).first() if re.fullmatch("[0-9]{1,18}", key) else None
        return found if found and found.mark == mark else None


class AddressChange(models.Model):
    """A new email address that was requested for an account and isn't confirmed yet.

    The account keeps its old address until the new one is confirmed. The owner confirms the new address by the link
    that was mailed to it, or a second manager confirms it. Setting `confirmed_by` fires a trigger. The trigger
    copies the new address to the account and deletes this row.

    Triggers enforce the rules. If an `UPDATE`, even in plain SQL, changes the address of an account in use
    (`User.is_claimed`), a trigger keeps the old address and inserts a row here. When an account gets its first
    password, its address counts as confirmed, because the invitation to choose the password was mailed there.
    """

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="address_change")
    address = AddressField()
    asked_by = models.ForeignKey(
        User, on_delete=models.CASCADE, null=True, related_name="+", help_text="Empty: a command on the server."
    )
    confirmed_by = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    personal_fields = {"address": EMAIL}

    objects: ClassVar[AddressChangeQuerySet] = AddressChangeQuerySet.as_manager()  # type: ignore[assignment]  # stubs

    class Meta:
        constraints = [address_checked("address_change_form", "address")]

    def __str__(self) -> str:
        return f"Another address of {self.user}"

    @property
    def needs_password(self) -> bool:
        """True if confirming the address requires the password.

        An owner who requested the address has entered the password already.
        """
        return self.asked_by_id != self.user_id

    @property
    def mark(self) -> str:
        """Identifier of this change in links and forms: its primary key, and a hash of its values.

        After PostgreSQL's data was restored from an older copy, new changes get primary keys that were used before.
        So the primary key alone could identify a different change.
        """
        told = f"{self.user_id} {self.address} {self.created_at.astimezone(UTC).isoformat()}"
        return f"{self.pk}-{blake2b(told.encode(), digest_size=9).hexdigest()}"

    def confirm(self) -> bool:
        """Confirms the change for the current caller, who is the owner or a second manager.

        Returns True if the change was still open. The owner's confirmation runs in PostgreSQL's login role
        (`eecrm_app`).
        """
        return bool(type(self).objects.filter(pk=self.pk, address=self.address).update(confirmed_by=self._caller_key()))

    def objection(self) -> str:
        """Returns the name of the rule that forbids the current caller to confirm the change. Empty if none does."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT address_objection(%s)", [self.pk])
            return str(cursor.fetchone()[0] or "")

    @staticmethod
    def _caller_key() -> Combinable:
        return RawSQL("nullif(current_setting('eecrm.user_id', true), '')::bigint", [])
