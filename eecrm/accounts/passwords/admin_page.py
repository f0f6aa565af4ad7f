"""Page of the admin site on which users change their own password."""

from typing import Any

from django.contrib.admin.forms import AdminPasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse

from access.database import as_login_role
from access.security_log import security_event
from accounts.admin_login.session_limits import go_on, name_of
from accounts.login import browsers
from accounts.login.credentials import count_own_change, is_own_password
from api.requests.limits import TooManyRequests


class OwnPasswordForm(AdminPasswordChangeForm):
    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_old_password(self) -> str:
        old = self.cleaned_data["old_password"]
        try:
            if is_own_password(self.request, self.user, old, through=name_of(self.request.session)):
                return old
        except TooManyRequests as refusal:
            raise ValidationError(str(refusal.detail), code="throttled") from None
        raise ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")

    def clean(self) -> Any:
        cleaned = super().clean()
        if not self.errors:
            try:
                count_own_change(self.request, self.user, "own_password_change")
            except TooManyRequests as refusal:
                raise ValidationError(str(refusal.detail), code="throttled") from None
        return cleaned

    def save(self, commit: bool = True) -> Any:
        """Writes the password to the account's row, with the database role `eecrm_app`.

        Most roles of the admin site may not write passwords, and many may not write accounts at all.
        """
        self.user.set_password(self.cleaned_data["new_password1"])
        with as_login_role():
            self.user.save(update_fields=["password"])
            self.user.logins_ended += 1  # as in the database, where the new password made a trigger raise the counter
            browsers.know(self.request, self.user)
        return self.user


class OwnPasswordView(PasswordChangeView):
    form_class = OwnPasswordForm

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"request": self.request}

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        go_on(self.request, form.user)
        security_event("authn_password_change", self.request, account=form.user.pk, by="old_password")
        return response
