"""Page of the admin site on which users change their own password."""

from typing import Any, cast
from uuid import uuid4

from django.contrib.admin.forms import AdminPasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.crypto import salted_hmac

from access.database import as_login_role
from access.security_log import security_event
from accounts.admin_login.session_limits import ANSWERED, go_on, name_of
from accounts.admin_login.session_store import SessionStore
from accounts.login import browsers
from accounts.login.credentials import count_own_change, is_own_password
from accounts.models import User
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

    def post(self, *args: Any, **kwargs: Any) -> HttpResponse:
        """Changes the password. The second of two clicks gets the answer of the first, which has ended its session."""
        session = cast(SessionStore, self.request.session)
        with as_login_role():
            User.objects.select_for_update(no_key=True).only("pk").get(pk=self.request.user.pk)
        if not session.is_stored() or session.get(ANSWERED) == self._mark():
            return HttpResponseRedirect(self.get_success_url())
        return super().post(*args, **kwargs)

    def _mark(self) -> str:
        """A text for this form and the password that was typed into it.

        The CSRF token is another one each time that the form is shown, and nothing stores it. So nobody can compute the
        password from the text.
        """
        sent = self.request.POST
        typed = [sent.get("csrfmiddlewaretoken") or uuid4().hex, sent.get("new_password1", "")]
        return salted_hmac("accounts.passwords.admin_page", "\n".join(typed), algorithm="sha256").hexdigest()

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"request": self.request}

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        go_on(self.request, form.user)
        self.request.session[ANSWERED] = self._mark()
        security_event("authn_password_change", self.request, account=form.user.pk, by="old_password")
        return response
