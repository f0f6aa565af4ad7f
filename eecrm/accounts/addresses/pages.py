"""Page behind the mailed links: an account's owner confirms a change of the email address, or drops it.

The link that confirms is mailed to the new address. The link that drops the change is mailed to the present address.
"""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse_lazy
from django.utils import translation
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView, TemplateView

from access.database import leave
from access.security_log import security_event
from accounts.addresses import links
from accounts.login.credentials import ADDRESS_LINK, is_own_password
from accounts.mailed_paths import redirect_mended
from accounts.models import AddressChange, User
from accounts.page_language import in_browser_language
from accounts.passwords.pages import FORM_METHODS, PAGE_METHODS, public
from accounts.passwords.validators import require_hashable
from api.requests.limits import TooManyRequests


class ConfirmAddressForm(forms.Form):
    """Form that confirms a new email address. If another user requested the address, the owner must enter the password.

    Otherwise any reader of the new mailbox could confirm the address, and then get a link to choose a new password.
    """

    password = forms.CharField(
        label=translation.gettext_lazy("Password of your account"),
        strip=False,
        max_length=1024,
        validators=[require_hashable],
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        help_text=translation.gettext_lazy(
            "Somebody else entered this address for you: your password shows that you agree."
        ),
    )

    def __init__(
        self, *args: Any, request: HttpRequest, change: AddressChange, is_objection: bool, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.request, self.change = request, change
        if is_objection or not change.needs_password:
            del self.fields["password"]

    def clean_password(self) -> str:
        password = self.cleaned_data["password"]
        try:
            if is_own_password(self.request, self.change.user, password, through=ADDRESS_LINK):
                return str(password)
        except TooManyRequests as refusal:
            sentence = translation.gettext("Too many requests: try again in %(seconds)s s.")
            raise forms.ValidationError(sentence % {"seconds": refusal.wait}, code="throttled") from None
        raise forms.ValidationError(translation.gettext("This is not the password of the account."), code="wrong")


@method_decorator([sensitive_post_parameters(), never_cache], name="dispatch")
class ConfirmAddressView(FormView):
    http_method_names = FORM_METHODS
    form_class = ConfirmAddressForm
    template_name = "accounts/pages/confirm_address.html"
    success_url = reverse_lazy("address-confirmed")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if str(request.method).lower() not in self.http_method_names:
            return self.http_method_not_allowed(request)
        objected = links.objected(kwargs["token"])
        self.is_objection = objected is not None
        change = objected or links.change_of(kwargs["token"])
        if change is None:
            return redirect_mended(request) or self._dead_link()
        if request.method == "POST":
            # Lock the account's row before the row of `AddressChange`, as requests for a new address do.
            # Another order could deadlock.
            change.user = User.objects.defer(None).select_for_update(of=("self",), no_key=True).get(pk=change.user_id)
        self.change = change
        return super().dispatch(request, *args, **kwargs)

    def _dead_link(self) -> HttpResponse:
        return TemplateResponse(self.request, "accounts/pages/dead_address_link.html", status=404)

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {
            "request": self.request,
            "change": self.change,
            "is_objection": self.is_objection,
        }

    def form_valid(self, form: ConfirmAddressForm) -> HttpResponse:
        account = self.change.user
        leave(user_id=account.pk)
        done = self.change.delete()[0] if self.is_objection else self.change.confirm()
        if not done:
            return self._dead_link()
        self.request.actor_id = account.pk  # type: ignore[attr-defined]  # for the request's log line
        if self.is_objection:
            security_event("user_updated", self.request, account=account.pk, dropped=["email"], by="link")
            return self.response_class(self.request, "accounts/pages/address_kept.html", using=self.template_engine)
        security_event("user_updated", self.request, account=account.pk, fields=["email"], by="link")
        return super().form_valid(form)


class AddressConfirmedView(TemplateView):
    http_method_names = PAGE_METHODS
    template_name = "accounts/pages/address_confirmed.html"


confirm_address = public(in_browser_language(ConfirmAddressView.as_view()))
address_confirmed = public(in_browser_language(AddressConfirmedView.as_view()))
