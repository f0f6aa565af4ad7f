"""Page of the admin site on which users change their own email address."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.db import DatabaseError, transaction
from django.http import HttpRequest, HttpResponse

from access.refusals import refusal_to_show
from accounts.addresses.change import Unchanged, ask
from accounts.admin_login.session_limits import name_of
from accounts.admin_login.site import missing_step
from accounts.admin_login.views import GateView
from accounts.login.credentials import is_own_password
from accounts.models import User
from accounts.passwords.validators import require_hashable
from api.email_addresses import AddressFormField, require_address
from api.requests.limits import TooManyRequests


class OwnAddressForm(forms.Form):
    email = AddressFormField(
        label="New email address",
        max_length=254,
        validators=[require_address],
        help_text="A link goes there, to confirm it.",
    )
    password = forms.CharField(
        label="Your password",
        strip=False,
        max_length=1024,
        validators=[require_hashable],
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request, self.user = request, User.objects.defer(None).get(pk=request.user.pk)

    def clean(self) -> None:
        """Checks the password and stores the new email address, which waits to be confirmed.

        Each refusal becomes an error of the form. An exception would roll back the count of wrong passwords.
        """
        if self.errors:
            return
        password = self.cleaned_data["password"]
        try:
            if not is_own_password(self.request, self.user, password, through=name_of(self.request.session)):
                return self.add_error("password", "This is not your password.")
            with transaction.atomic():
                ask(self.request, self.user, self.cleaned_data["email"])
        except Unchanged as error:
            self.add_error("email", str(error))
        except TooManyRequests as error:
            self.add_error(None, str(error.detail))
        except DatabaseError as error:
            self.add_error("email", refusal_to_show(error).sentence)


class OwnAddressView(GateView):
    """Page on which users request another email address for their own account.

    The page asks for the password, because a logged-in session doesn't prove that the owner is at the keyboard.
    """

    title = "Your email address"
    template_name = "accounts/admin_login/own_address.html"
    form_class = OwnAddressForm

    def elsewhere(self) -> str:
        step = missing_step(self.request)
        return self.address(step, next_url=self.request.get_full_path()) if step else ""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs) | {"present": self.account.email}

    def form_valid(self, form: Any) -> HttpResponse:
        address = cast(str, form.cleaned_data["email"])
        messages.success(self.request, f"A link was sent to {address}. Your address changes when you follow it.")
        return super().form_valid(form)
