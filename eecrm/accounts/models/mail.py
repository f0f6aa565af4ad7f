"""The outbox: mails that are owed, written in the transaction of what they are about."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models.user import User


class Mail(models.Model):
    """A mail to be written and sent by `manage.py run_worker`. It holds no text: links are made when it is sent."""

    class Kind(models.TextChoices):
        INVITATION = "invitation", "Invitation"
        PASSWORD_RESET = "password_reset", "Password reset"

    kind = models.CharField(max_length=20, choices=Kind)
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="mails")
    address = models.EmailField(blank=True, help_text="Where it goes instead of the account's own address.")
    created_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(
        db_default=Now(), help_text="Not before: the next try, or the end of a worker's lease."
    )
    attempts = models.PositiveSmallIntegerField(db_default=0)
    sent_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True, db_default="")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index("due_at", name="mail_due", condition=Q(sent_at=None, given_up_at=None)),
        ]
        constraints = [
            models.CheckConstraint(
                name="mail_kind_known",
                condition=Q(kind__in=["invitation", "password_reset"]),
                violation_error_message="This kind of mail doesn't exist.",
            ),
            models.CheckConstraint(
                name="mail_has_a_recipient",
                condition=Q(user__isnull=False) | ~Q(address=""),
                violation_error_message="A mail goes to an account or to an address.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} for {self.user or self.address}"
