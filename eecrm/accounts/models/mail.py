"""The outbox: mails that are owed, written in the transaction of what they are about."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

from access.masks import EMAIL, WHOLE
from access.querysets import PolicyQuerySet
from accounts.models.alert import Alert
from accounts.models.user import User
from api.email_addresses import AddressField


class MailQuerySet(PolicyQuerySet["Mail"]):
    resource = "mail"

    def waiting(self) -> "MailQuerySet":
        return self.filter(sent_at=None, given_up_at=None)

    def given_up(self) -> "MailQuerySet":
        return self.exclude(given_up_at=None)


class MailManager(models.Manager.from_queryset(MailQuerySet)):  # type: ignore[misc]  # made at run time
    """Leaves what people typed in the database: only the login role, as which the worker runs, may read it."""

    def get_queryset(self) -> MailQuerySet:
        return super().get_queryset().defer(*Mail.secret_fields)


class Mail(models.Model):
    """A mail to be written and sent by `manage.py run_worker`. It holds no text: links are made when it is sent.

    One without an account stands for "I have forgotten my password": the worker replaces it by one for each account
    that goes by what was typed.
    """

    class Kind(models.TextChoices):
        INVITATION = "invitation", "Invitation"
        PASSWORD_RESET = "password_reset", "Password reset"
        # Queued by triggers on accounts and on changes of their addresses.
        ADDRESS_CONFIRMATION = "address_confirmation", "Confirmation of an address"
        ADDRESS_NOTICE = "address_notice", "Notice of another address"
        ADDRESS_CHANGED = "address_changed", "Address changed"
        IDENTITY_BOUND = "identity_bound", "Identity bound"  # by a trigger on identities, as the next one
        IDENTITY_REMOVED = "identity_removed", "Identity taken away"
        MANAGER_UNMADE = "manager_unmade", "No manager's account any more"  # by a trigger on accounts
        ACCOUNT_NEWS = "account_news", "News of accounts"
        UNUSUAL_ACTIVITY = "unusual_activity", "Unusual activity"
        FACTOR_SET_UP = "factor_set_up", "Second factor set up"
        FACTOR_REPLACED = "factor_replaced", "Second factor replaced"
        FACTOR_REMOVED = "factor_removed", "Second factor removed"
        FACTOR_RESET = "factor_reset", "Second factor reset"  # queued by a trigger on second factors
        RECOVERY_CODES = "recovery_codes", "New recovery codes"
        CODES_REFUSED = "codes_refused", "Wrong codes of a second factor"

    kind = models.CharField(max_length=20, choices=Kind)
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="mails")
    address = AddressField(blank=True, help_text="Where it goes instead of the account's own address.")
    # People type their password into the wrong field now and then, so that no page shows this.
    typed = models.CharField(max_length=254, blank=True, default="", editable=False)
    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, null=True, editable=False, related_name="mails")
    seen = models.TextField(blank=True, db_default="", editable=False)  # of the trail, when it was written (`audit.seen`)
    created_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(
        db_default=Now(), help_text="Not before: the next try, or the end of a worker's lease."
    )
    attempts = models.PositiveSmallIntegerField(db_default=0)
    sent_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True, db_default="")

    objects: ClassVar[MailManager] = MailManager()

    # Read by the login role, and by no other.
    secret_fields = ("typed",)
    personal_fields = {"address": EMAIL, "typed": WHOLE}
    report_fields = ("id", "kind", "user", "address", "created_at", "due_at", "attempts", "sent_at", "given_up_at")

    class Meta:
        ordering = ["-id"]
        base_manager_name = "objects"
        indexes = [
            models.Index("due_at", name="mail_due", condition=Q(sent_at=None, given_up_at=None)),
            # How many confirmations an address was sent.
            models.Index(Lower("address"), "created_at", name="mail_address", condition=~Q(address="")),
        ]
        constraints = [
            models.CheckConstraint(
                name="mail_kind_known",
                condition=Q(
                    kind__in=[
                        "invitation",
                        "password_reset",
                        "address_confirmation",
                        "address_notice",
                        "address_changed",
                        "identity_bound",
                        "identity_removed",
                        "manager_unmade",
                        "account_news",
                        "unusual_activity",
                        "factor_set_up",
                        "factor_replaced",
                        "factor_removed",
                        "factor_reset",
                        "recovery_codes",
                        "codes_refused",
                    ]
                ),
                violation_error_message="This kind of mail doesn't exist.",
            ),
            models.CheckConstraint(
                name="mail_has_a_recipient",
                condition=Q(user__isnull=False, typed="") | (Q(user=None, kind="password_reset") & ~Q(typed="")),
                violation_error_message="A mail goes to an account, or answers what was typed into the reset page.",
            ),
            models.CheckConstraint(
                name="mail_names_its_alert",
                condition=Q(alert=None) ^ Q(kind="unusual_activity"),
                violation_error_message="A mail about unusual activity names its alert, and no other does.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} for {self.user or 'whoever it was'}"
