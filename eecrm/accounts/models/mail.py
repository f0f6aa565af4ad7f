"""The outbox: mails to send, and requests for password links.

The transaction of a change also inserts the mails that report the change.
"""

from datetime import datetime

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

    def refused(self) -> "MailQuerySet":
        return self.filter(is_refused=True)

    def bounced(self) -> "MailQuerySet":
        return self.exclude(bounced_at=None)

    def last_bounce(self, user: User) -> datetime | None:
        """Returns the time at which the latest mail to the account's present address came back, or None."""
        sent = self.filter(user=user, address__in=["", user.email]).exclude(sent_at=None)
        if user.email_confirmed_at:
            sent = sent.filter(sent_at__gt=user.email_confirmed_at)
        latest = sent.order_by("-sent_at").first()
        return latest.bounced_at if latest else None

    def tell_owner(self, kind: str, user: User) -> "Mail":
        """Queues a mail to the email address that the account has now.

        The mail still goes there if another user then deactivates the account or takes the address away.
        """
        is_confirmed = user.email_confirmed_at is not None
        return self.create(kind=kind, user=user, address=user.email, is_address_confirmed=is_confirmed)


class Mail(models.Model):
    """A mail that `manage.py run_worker` writes and sends.

    The row contains no text, because the worker makes links only when it sends the mail.
    """

    class Kind(models.TextChoices):
        INVITATION = "invitation", "Invitation"
        PASSWORD_RESET = "password_reset", "Password reset"
        # Triggers on accounts and on requested email addresses queue the next three kinds of mail.
        ADDRESS_CONFIRMATION = "address_confirmation", "Confirmation of an address"
        ADDRESS_NOTICE = "address_notice", "Notice of another address"
        ADDRESS_CHANGED = "address_changed", "Address changed"
        IDENTITY_BOUND = "identity_bound", "Identity bound"  # a trigger on identities queues this and the next kind
        IDENTITY_REMOVED = "identity_removed", "Identity taken away"
        MANAGER_UNMADE = "manager_unmade", "No manager's account any more"  # a trigger on accounts queues this kind
        ACCOUNT_NEWS = "account_news", "News of accounts"
        UNUSUAL_ACTIVITY = "unusual_activity", "Unusual activity"
        FACTOR_SET_UP = "factor_set_up", "Second factor set up"
        FACTOR_REPLACED = "factor_replaced", "Second factor replaced"
        FACTOR_REMOVED = "factor_removed", "Second factor removed"
        FACTOR_RESET = "factor_reset", "Second factor reset"  # a trigger on second factors queues this kind
        RECOVERY_CODES = "recovery_codes", "New recovery codes"
        CODES_REFUSED = "codes_refused", "Wrong codes of a second factor"

    kind = models.CharField(max_length=20, choices=Kind)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="mails")
    address = AddressField(blank=True, help_text="Where it goes instead of the account's own address.")
    # The field is filled when the mail is queued: when the mail is sent, the account may have another address or none.
    is_address_confirmed = models.BooleanField(
        db_default=False, editable=False, help_text="The account's owner had confirmed `address`."
    )
    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, null=True, editable=False, related_name="mails")
    # Mark (`audit.trail.seen`). It records which entries of the audit trail existed when the worker wrote the mail.
    seen = models.TextField(blank=True, db_default="", editable=False)
    created_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(
        db_default=Now(), help_text="Not before: the next try, or the end of a worker's lease."
    )
    attempts = models.PositiveSmallIntegerField(db_default=0)
    deferrals = models.PositiveSmallIntegerField(
        db_default=0, editable=False, help_text="Attempts that failed because of the mail server."
    )
    sent_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)
    is_refused = models.BooleanField(
        "refused",
        db_default=False,
        editable=False,
        help_text="Given up because the mail server refused the recipient or the mail for good (SMTP 5xx).",
    )
    bounced_at = models.DateTimeField(
        "bounced", null=True, editable=False, help_text="When a mail server sent the mail back (`note_bounce`)."
    )
    error = models.CharField(max_length=500, blank=True, db_default="")

    objects = MailQuerySet.as_manager()

    personal_fields = {"address": EMAIL}
    report_fields = (
        "id",
        "kind",
        "user",
        "address",
        "created_at",
        "due_at",
        "attempts",
        "deferrals",
        "sent_at",
        "given_up_at",
        "is_refused",
        "bounced_at",
    )

    class Meta:
        ordering = ["-id"]
        indexes = [
            # Two indexes for the worker, which sends invitations last.
            models.Index(
                "due_at", "id", name="mail_due", condition=Q(sent_at=None, given_up_at=None) & ~Q(kind="invitation")
            ),
            models.Index(
                "due_at", "id", name="invitation_due", condition=Q(sent_at=None, given_up_at=None, kind="invitation")
            ),
            # Index for the trigger `address_change_rules`, which counts confirmations mailed to an email address.
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
                name="mail_names_its_alert",
                condition=Q(alert=None) ^ Q(kind="unusual_activity"),
                violation_error_message="A mail about unusual activity names its alert, and no other does.",
            ),
            models.CheckConstraint(
                name="mail_refused_given_up",
                condition=Q(is_refused=False) | Q(given_up_at__isnull=False),
                violation_error_message="A mail that was refused for good is given up.",
            ),
            models.CheckConstraint(
                name="mail_confirmed_address",
                condition=Q(is_address_confirmed=False) | ~Q(address=""),
                violation_error_message="Only a mail with an address of its own says that it was confirmed.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} for {self.user}"

    @property
    def state(self) -> str:
        if self.bounced_at:
            return "Bounced"
        if self.sent_at:
            return "Sent"
        if self.given_up_at:
            return "Refused for good" if self.is_refused else "Given up"
        return "Put off by the mail server" if self.deferrals else "Waiting"


class LinkRequest(models.Model):
    """A user's request for a link to choose a new password.

    The worker replaces the request by a mail to each account that fits the typed text. The audit trail records
    these mails, but no requests, because strangers can make many requests and most of them concern no account. Only
    the login role (`eecrm_app`) may read or write the requests.
    """

    # What the visitor typed into the field for username or address. No page shows the text: it may be a password.
    typed = models.CharField(max_length=254)
    created_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(db_default=Now(), help_text="Not before: the end of a worker's lease.")

    personal_fields = {"typed": WHOLE}

    class Meta:
        ordering = ["due_at", "id"]
        default_permissions = ()
        indexes = [models.Index("due_at", "id", name="link_request_due")]
        constraints = [models.UniqueConstraint(name="link_request_once", fields=["typed"])]

    def __str__(self) -> str:
        return f"Request {self.pk}"
