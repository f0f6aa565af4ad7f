"""Identities: accounts at an external OpenID Connect provider, with which users log in here."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from access.masks import EMAIL
from accounts.models.user import User


class ExternalIdentity(models.Model):
    """Identity of an account at its provider: issuer and subject of its tokens (OpenID Connect Core, section 2)."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="identity")
    issuer = models.CharField(max_length=200)
    subject = models.CharField(max_length=255)
    # A trigger sets this time when all logins of the account end. Tokens issued before this time are refused.
    # Only this time ends an access token of the provider early, because the provider can't revoke access tokens.
    not_before = models.DateTimeField(null=True, editable=False, help_text="Tokens issued earlier are refused.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    personal_fields = {"subject": EMAIL}  # many providers use the email address as subject

    class Meta:
        ordering = ["issuer", "subject"]
        verbose_name_plural = "external identities"
        constraints = [
            models.UniqueConstraint(
                name="external_identity_unique",
                fields=["issuer", "subject"],
                violation_error_message="This identity belongs to an account already.",
            ),
            models.CheckConstraint(
                name="external_identity_subject_ascii",
                condition=Q(subject__regex=r"^[!-~]+$"),  # format of a subject (OpenID Connect Core, section 2)
                violation_error_message=(
                    "A subject is what the provider calls the account: letters, digits and signs, without spaces."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{EMAIL.of(self.subject)} at {self.issuer}"
