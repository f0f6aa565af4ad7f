"""Another address of an account, until it is confirmed."""

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

# How long an address may be confirmed; the trigger `address_change_rules` has the same figure.
LIFETIME = timedelta(days=7)


class AddressChangeQuerySet(models.QuerySet["AddressChange"]):
    def open(self) -> Self:
        return self.filter(created_at__gt=Now() - LIFETIME)

    def expired(self) -> Self:
        return self.filter(created_at__lte=Now() - LIFETIME)

    def marked(self, mark: str) -> "AddressChange | None":
        """The change that bears this mark."""
        key = mark.partition("-")[0]
        found = self.filter(pk=key).first() if re.fullmatch("[0-9]{1,18}", key) else None
        return found if found and found.mark == mark else None


class AddressChange(models.Model):
    """An address that somebody asked for. The account keeps its own until its owner confirms the new one by the link that
    went there, or a second manager does: setting `confirmed_by` moves the address to the account and deletes the row.

    Triggers hold the rules, and make a row of each `UPDATE` of an address that is its owner's by now (`User.is_claimed`),
    whoever writes it. The first password of an account confirms the address that its invitation went to.
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
        """Whether its owner proves who they are when they confirm it: not where they asked for it with their password."""
        return self.asked_by_id != self.user_id

    @property
    def mark(self) -> str:
        """Names it in links and forms. Its key alone would name another one once a copy of the data was put back: keys are given
        out again then."""
        told = f"{self.user_id} {self.address} {self.created_at.astimezone(UTC).isoformat()}"
        return f"{self.pk}-{blake2b(told.encode(), digest_size=9).hexdigest()}"

    def confirm(self) -> bool:
        """As whoever is entered: its owner (as the login role) or a second manager. Returns whether it was still open."""
        return bool(type(self).objects.filter(pk=self.pk, address=self.address).update(confirmed_by=self._caller()))

    def objection(self) -> str:
        """The rule by which the user who is entered may not confirm it now; empty where they may."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT address_objection(%s)", [self.pk])
            return str(cursor.fetchone()[0] or "")

    @staticmethod
    def _caller() -> Combinable:
        return RawSQL("nullif(current_setting('eecrm.user_id', true), '')::bigint", [])
