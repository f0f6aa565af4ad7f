"""Pages on which people choose their own password, by a one-time link that they were sent or ask for here.

They are for everybody who has an account, so they know nothing of the admin site, not even where it is.
"""

from typing import Any, cast

from django import forms
from django.contrib.auth.forms import SetPasswordForm
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse, reverse_lazy
from django.utils.crypto import salted_hmac
from django.utils.decorators import method_decorator
from django.utils.http import urlsafe_base64_decode
from django.views import csrf
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView, TemplateView

from access.database import leave
from access.security_log import security_event
from accounts import browsers, links
from accounts.login import forget_failures
from accounts.models import Mail, User, normalise_username
from api import limits
from api.addresses import place_of
from api.email_addresses import normalise_address

COOKIE = "eecrm_link"
IN_COOKIE = "set-password"  # stands in the address where the token was
FORM_METHODS = ["get", "head", "post", "options"]
PAGE_METHODS = ["get", "head", "options"]


class ForgottenForm(forms.Form):
    account = forms.CharField(
        label="Email address or username",
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )

    def clean_account(self) -> str:
        """In the one spelling, so that asking again is asking for the same."""
        typed = self.cleaned_data["account"]
        address = normalise_address(typed).lower()
        text = address if "@" in address and address.isascii() else normalise_username(typed)
        if text := text[:254].strip():
            return text
        raise forms.ValidationError("Enter an email address or a username.", code="required")


class ForgottenView(FormView):
    """Takes note of whatever was typed and answers alike: the worker looks for accounts, later, and nobody sees when."""

    http_method_names = FORM_METHODS
    form_class = ForgottenForm
    template_name = "accounts/pages/forgotten.html"
    success_url = reverse_lazy("forgotten-sent")

    def form_valid(self, form: forms.Form) -> HttpResponse:
        typed = form.cleaned_data["account"]
        place = place_of(self.request)
        # First for what was typed: asking for one account again and again takes nothing from a colleague at the same address.
        same = f"{salted_hmac('accounts.forgotten', typed, algorithm='sha256').hexdigest()} {place}"
        *_, taken = limits.take((limits.limit("forgotten_same"), same, 1), (limits.limit("forgotten"), place, 1))
        if not taken.granted:
            sentence = f"Too many links were asked for from your address: try again in {max(1, round(taken.wait))} s."
            form.add_error("account", sentence)
            return self.form_invalid(form)
        if not Mail.objects.waiting().filter(typed=typed).exists():
            leave()
            Mail.objects.create(kind=Mail.Kind.PASSWORD_RESET, typed=typed)
        return super().form_valid(form)


class SentView(TemplateView):
    http_method_names = PAGE_METHODS
    template_name = "accounts/pages/sent.html"


class ChoosePasswordForm(SetPasswordForm):
    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.fields["new_password1"].label = "New password"
        self.fields["new_password2"].label = "The same again"
        self.fields["new_password2"].help_text = ""

    def save(self, commit: bool = True) -> User:
        """One column: it is all that the login role may write. A trigger ends the account's logins."""
        self.user.set_password(self.cleaned_data["new_password1"])
        leave(user_id=self.user.pk)
        self.user.save(update_fields=["password"])
        return cast(User, self.user)


@method_decorator([sensitive_post_parameters(), never_cache], name="dispatch")
class ChoosePasswordView(FormView):
    """A valid token moves from the address into a cookie, so that no history, log or Referer keeps it.

    Django's own view keeps it in the session instead, which here would be a token in clear in the database.
    """

    http_method_names = FORM_METHODS
    form_class = ChoosePasswordForm
    template_name = "accounts/pages/choose.html"
    success_url = reverse_lazy("password-chosen")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if str(request.method).lower() not in self.http_method_names:
            return self.http_method_not_allowed(request)
        name, token = kwargs["name"], kwargs["token"]
        user = _account(name, for_update=request.method == "POST")
        in_cookie = token == IN_COOKIE
        if user is None or not links.is_valid(user, request.COOKIES.get(COOKIE) if in_cookie else token):
            return self.response_class(request, "accounts/pages/dead_link.html", status=404, using=self.template_engine)
        self.user = user
        return super().dispatch(request, *args, **kwargs) if in_cookie else _into_cookie(request, name, token)

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"user": self.user}

    def form_valid(self, form: ChoosePasswordForm) -> HttpResponse:
        user = form.save()
        forget_failures(self.request, user)
        self.request.actor_id = user.pk  # type: ignore[attr-defined]  # for the log line
        security_event("authn_password_change", self.request, account=user.pk, by="link")
        response = super().form_valid(form)
        browsers.mark(self.request, response)
        response.delete_cookie(COOKIE, path=_path(self.kwargs["name"]), samesite="Lax")
        return response


def _account(name: str, *, for_update: bool) -> User | None:
    """The active account that a link names, with its password; locked where the link is about to be used up."""
    try:
        key = int(urlsafe_base64_decode(name).decode("ascii"))
    except ValueError:
        return None
    accounts = User.objects.active().filter(pk=key, identity=None).defer(None)
    return (accounts.select_for_update(of=("self",)) if for_update else accounts).first()


def _path(name: str) -> str:
    return reverse("choose-password", args=[name, IN_COOKIE])


def _into_cookie(request: HttpRequest, name: str, token: str) -> HttpResponse:
    """Lax, since people come here from their mail; sent to this one page alone, until the browser is closed."""
    response = HttpResponseRedirect(_path(name))
    response.set_cookie(COOKIE, token, path=_path(name), secure=request.is_secure(), httponly=True, samesite="Lax")
    return response


class ChosenView(TemplateView):
    http_method_names = PAGE_METHODS
    template_name = "accounts/pages/chosen.html"


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """What a form without its token gets (CSRF_FAILURE_VIEW): Django's own page has styles in it, which ours may not. The decoy
    has Django's."""
    if f"{request.path_info}/".startswith("/admin/"):
        return csrf.csrf_failure(request, reason=reason)
    return render(request, "accounts/pages/form_refused.html", status=403)


def public(view: Any) -> Any:
    view.is_public = True  # for access.checks
    return view


forgotten = public(ForgottenView.as_view())
sent = public(SentView.as_view())
choose = public(ChoosePasswordView.as_view())
chosen = public(ChosenView.as_view())
