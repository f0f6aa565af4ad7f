from typing import Any, cast

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.http import HttpRequest

from accounts.admin_login import second_factor
from accounts.admin_login.session_limits import name_of
from accounts.login.credentials import is_own_password
from accounts.models import AuthenticatorApp, User
from accounts.passwords.validators import require_hashable
from api.requests.limits import TooManyRequests


class PasswordForm(AdminAuthenticationForm):
    """Login form with username and password.

    `AccountBackend` in `accounts.login.credentials` counts failed logins. If the IP address of the request has to wait,
    `AccountBackend` stores the seconds to wait in `request.login_wait`.
    """

    def get_invalid_login_error(self) -> forms.ValidationError:
        if wait := getattr(self.request, "login_wait", None):
            sentence = f"Too many tries from your address: try again in {wait} s."
            return forms.ValidationError(sentence, code="throttled")
        return super().get_invalid_login_error()


class CodeInput(forms.PasswordInput):
    """Text field that shows the code while the user types.

    After an error the field is empty again, because a code works only once.
    """

    input_type = "text"


def _code_field(label: str, *, help_text: str = "") -> forms.CharField:
    # The maximum length leaves room for spaces, because apps show codes in groups of digits.
    # Browsers and password managers recognise the field by its attribute `autocomplete` (HTML standard).
    widget = CodeInput(attrs={"autocomplete": "one-time-code", "spellcheck": "false", "autocapitalize": "none"})
    return forms.CharField(label=label, max_length=40, help_text=help_text, widget=widget)


class CodeForm(forms.Form):
    """Form for a code of the authenticator app, or a recovery code. Validating the form marks a right code as used."""

    code = _code_field("Code", help_text="The six digits of your authenticator app, or one of your recovery codes.")

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        self.fields["code"].widget.attrs["autofocus"] = True

    def clean_code(self) -> str:
        code = self.cleaned_data["code"]
        if self.errors:
            return code  # another field is invalid, so the code isn't checked and stays usable
        if sentence := second_factor.use_code(self.request, cast(User, self.request.user), code):
            raise forms.ValidationError(sentence)
        return code


class ManageForm(CodeForm):
    """Form to make new recovery codes or to remove the second factor. Both actions require a code."""

    action = forms.ChoiceField(
        choices=[("codes", "codes"), ("remove", "remove")],
        error_messages={"required": "Choose what to do.", "invalid_choice": "This can't be done."},
    )
    field_order = ["action", "code"]

    def __init__(self, *args: Any, may_remove: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not may_remove:
            self.fields["action"].choices = [("codes", "codes")]  # type: ignore[attr-defined]  # a ChoiceField


class SetUpForm(forms.Form):
    """Form with the first code of a new authenticator app, and a proof that the account's owner sends the form.

    The proof is a code of the old app or a recovery code. If the account has no app yet, the proof is the password.
    A thief of a session has none of these.
    """

    password = forms.CharField(
        label="Your password",
        strip=False,
        max_length=1024,
        validators=[require_hashable],
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    new_code = _code_field("Code of the new app", help_text="The six digits that the app shows for this account now.")
    code = _code_field("Code of the old app", help_text="The six digits that your old app shows, or a recovery code.")

    def __init__(self, *args: Any, request: HttpRequest, app: AuthenticatorApp, replaces: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request, self.app = request, app
        if replaces:
            del self.fields["password"]
        else:
            del self.fields["code"]
            self.fields["new_code"].label = "Code"
        next(iter(self.fields.values())).widget.attrs["autofocus"] = True

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        try:
            if is_own_password(
                self.request, cast(User, self.request.user), password, through=name_of(self.request.session)
            ):
                return password
        except TooManyRequests as refusal:
            raise forms.ValidationError(str(refusal.detail), code="throttled") from None
        raise forms.ValidationError("This is not your password.", code="wrong")

    def clean_new_code(self) -> str:
        code = "".join(self.cleaned_data["new_code"].split())
        if not second_factor.is_first_code(self.app, code):
            raise forms.ValidationError(second_factor.WRONG)
        return code

    clean_code = CodeForm.clean_code
