"""Form on an account's admin page that binds the account to an identity (account at the OpenID Connect provider)."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest

from access import policy
from access.masks import personal
from access.policy import Scope
from access.request_rules import rule_for
from accounts.models import ExternalIdentity


class IdentityForm(forms.ModelForm):
    # The configured provider is the only choice, because the API refuses tokens of other issuers.
    issuer = forms.ChoiceField(
        choices=lambda: [(settings.OIDC_ISSUER, settings.OIDC_ISSUER)], initial=lambda: settings.OIDC_ISSUER
    )

    class Meta:
        model = ExternalIdentity
        fields = ["issuer", "subject"]


class IdentityInline(admin.StackedInline):
    """Form that binds an account to an identity (account at the OpenID Connect provider).

    The form can also remove the identity. The form can't change an identity, because the subject of a user's tokens
    never changes.

    Managers may bind only accounts that aren't in use yet. Superusers may bind all accounts.
    """

    model = ExternalIdentity
    form = IdentityForm
    readonly_fields = ["subject_masked"]
    verbose_name_plural = "identity at the provider (the account then has no password here)"

    def _allows(self, request: HttpRequest, action: str) -> bool:
        return rule_for(request, "user", action).scope is not Scope.NONE

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Returns the form's fields, with a masked subject for roles that may not see personal data.

        The subject counts as personal data, because many providers use the email address as the subject.
        """
        return ["issuer", "subject" if policy.sees_personal_data(request.user) else "subject_masked"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Returns the form's fields, and explains to a manager why an account in use can't be bound.

        PostgreSQL refuses to bind such an account, because a user who bound their own identity to the account could
        log in as its owner.
        """
        options: dict[str, Any] = {"fields": self.get_fields(request, obj)}
        if obj is not None and obj.is_claimed and rule_for(request, "user", "promote").scope is Scope.NONE:
            options["description"] = (
                "This account is in use: a superuser binds it to an identity, or the command bind_identity on the"
                " server does."
            )
        return [(None, options)]

    @admin.display(description="subject")
    def subject_masked(self, identity: ExternalIdentity) -> str:
        return str(personal(ExternalIdentity)["subject"].of(identity.subject))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._allows(request, "retrieve")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._allows(request, "update")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._allows(request, "update")
