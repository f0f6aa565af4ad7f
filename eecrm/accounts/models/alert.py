"""Alerts for managers about unusual activity: many actions of one kind by one account in a short time."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Export(models.Model):
    """An export of accounts to a file. The row's entry in the audit trail names the user who exported."""

    rows = models.PositiveIntegerField(help_text="How many accounts are in the file.")
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()


class Alert(models.Model):
    """Unusual activity of one account. The alert stays if the account is deleted.

    `accounts.outbox.alerts` finds the activity in the audit trail, and stores one alert for each kind, account and
    period.
    """

    class Kind(models.TextChoices):
        DELETIONS = "deletions", "Many deletions"
        CHANGES = "changes", "Many changes"
        ACCOUNTS = "accounts", "Many accounts made or given other rights"
        SIGNATURES = "signatures", "Contract signed and reopened"
        REOPENINGS = "reopenings", "Many contracts reopened"
        EXPORTS = "exports", "Many exports"

    kind = models.CharField(max_length=20, choices=Kind)
    actor_id = models.BigIntegerField("account", null=True)
    actor_name = models.CharField("username", max_length=150, blank=True)
    subject = models.CharField("contract", max_length=20, blank=True, help_text="Its number, where it is about one.")
    count = models.PositiveIntegerField()
    first_at = models.DateTimeField("from")
    last_at = models.DateTimeField("until")
    # Mark (`audit.trail.seen`) made by the search that found the alert. It records which trail entries existed then.
    seen = models.TextField(editable=False)
    # Primary key of the previous alert of the same kind, account and subject; 0 if there was none.
    # A unique constraint contains this column, so that two concurrent workers can't both store the next alert.
    previous_id = models.BigIntegerField(default=0)
    told_at = models.DateTimeField("told", db_default=Now())

    objects: ClassVar[models.Manager["Alert"]] = models.Manager()

    class Meta:
        ordering = ["-id"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "actor_id", "subject", "previous_id"],
                name="alert_once",
                nulls_distinct=False,
                violation_error_message="This was told already.",
            ),
            models.CheckConstraint(
                name="alert_kind_known",
                condition=Q(kind__in=["deletions", "changes", "accounts", "signatures", "reopenings", "exports"]),
                violation_error_message="This kind of alert doesn't exist.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.actor}"

    @property
    def actor(self) -> str:
        return f"{self.actor_name} (account {self.actor_id})" if self.actor_id else "no account (a command or SQL)"

    @property
    def sentence(self) -> str:
        match self.kind:
            case self.Kind.DELETIONS:
                return f"{self.count:,} rows were deleted by {self.actor}"
            case self.Kind.CHANGES:
                return f"Clients, contracts and events were changed {self.count:,} times by {self.actor}"
            case self.Kind.ACCOUNTS:
                return f"Accounts were made, switched on or off, or given a role or group {self.count:,} times by {self.actor}"
            case self.Kind.REOPENINGS:
                return f"Signed contracts were reopened {self.count:,} times by {self.actor}"
            case self.Kind.SIGNATURES:
                return f"Contract {self.subject} was signed or reopened {self.count:,} times by {self.actor}"
        return f"Accounts were exported {self.count:,} times by {self.actor}"
