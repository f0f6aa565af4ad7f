"""Pages on which users choose their own password by a one-time link, or ask for such a link.

Users of every role see these pages, so the pages don't mention the admin site or its URL.
"""

from typing import Any, cast

from django import forms
from django.contrib.auth.forms import SetPasswordForm
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import reverse, reverse_lazy
from django.utils import translation
from django.utils.crypto import salted_hmac
from django.utils.decorators import method_decorator
from django.utils.http import urlsafe_base64_decode
from django.views import csrf
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView, TemplateView

from access.database import leave
from access.permissions import public
from access.security_log import security_event
from accounts.kept_forms import kept_form
from accounts.login import browsers
from accounts.login.credentials import forget_failures
from accounts.mailed_paths import redirect_mended
from accounts.models import LinkRequest, User, normalise_username
from accounts.page_language import in_browser_language
from accounts.passwords import links
from api.email_addresses import normalise_address
from api.requests import limits
from api.requests.client_address import place_of

COOKIE = "eecrm_link"
IN_COOKIE = "set-password"  # stands in the URL in place of the token, after the token has moved into the cookie
FORM_METHODS = ["get", "head", "post", "options"]
PAGE_METHODS = ["get", "head", "options"]


class ForgottenForm(forms.Form):
    account = forms.CharField(
        label=translation.gettext_lazy("Email address or username"),
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )

    def clean_account(self) -> str:
        """Normalises the typed text, so that all spellings of a username or an email address share one rate limit."""
        typed = self.cleaned_data["account"]
        address = normalise_address(typed).lower()
        text = address if "@" in address and address.isascii() else normalise_username(typed)
        if text := text[:254].strip():
            return text
        raise forms.ValidationError(translation.gettext("Enter an email address or a username."), code="required")


class ForgottenView(FormView):
    """Page for a forgotten password. It queues the typed text, and always gives the same answer.

    The worker searches for accounts later, so the response time doesn't reveal if an account exists.
    """

    http_method_names = FORM_METHODS
    form_class = ForgottenForm
    template_name = "accounts/pages/forgotten.html"
    success_url = reverse_lazy("forgotten-sent")

    def form_valid(self, form: forms.Form) -> HttpResponse:
        typed = form.cleaned_data["account"]
        place = place_of(self.request)
        # The rate limit for the same typed text comes first: it refuses repeated requests for one account.
        # Repeated requests for one account thus don't use up the IP address's rate limit, which colleagues share.
        same = f"{salted_hmac('accounts.forgotten', typed, algorithm='sha256').hexdigest()} {place}"
        *_, taken = limits.take((limits.limit("forgotten_same"), same, 1), (limits.limit("forgotten"), place, 1))
        if not taken.granted:
            sentence = translation.gettext(
                "Too many links were asked for from your address: try again in %(seconds)s s."
            )
            form.add_error("account", sentence % {"seconds": max(1, round(taken.wait))})
            return self.form_invalid(form)
        leave()
        LinkRequest.objects.bulk_create([LinkRequest(typed=typed)], ignore_conflicts=True)
        return super().form_valid(form)


class SentView(TemplateView):
    http_method_names = PAGE_METHODS
    template_name = "accounts/pages/sent.html"


class ChoosePasswordForm(SetPasswordForm):
    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.fields["new_password1"].label = translation.gettext("New password")
        self.fields["new_password2"].label = translation.gettext("The same again")
        self.fields["new_password2"].help_text = ""

    def save(self, commit: bool = True) -> User:
        """Saves only the column `password`. A trigger then ends all logins of the account.

        Other columns aren't saved, because PostgreSQL's login role (`eecrm_app`) may not write most of them.
        """
        self.user.set_password(self.cleaned_data["new_password1"])
        leave(user_id=self.user.pk)
        self.user.save(update_fields=["password"])
        self.user.logins_ended += 1  # as in the database, where the new password made a trigger raise the counter
        return cast(User, self.user)


@method_decorator([sensitive_post_parameters(), never_cache], name="dispatch")
class ChoosePasswordView(FormView):
    """Page on which users choose a password by a one-time link.

    The page moves a valid token from the URL into a cookie, so that no browser history, log or Referer header has the
    token. Django's own view would store the token in the session, unencrypted in the database.
    """

    http_method_names = FORM_METHODS
    form_class = ChoosePasswordForm
    template_name = "accounts/pages/choose.html"
    success_url = reverse_lazy("password-chosen")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if str(request.method).lower() not in self.http_method_names:
            return self.http_method_not_allowed(request)
        name, token = kwargs["name"], kwargs["token"]
        user = _account_of_link(name, for_update=request.method == "POST")
        in_cookie = token == IN_COOKIE
        if in_cookie and COOKIE not in request.COOKIES:
            return TemplateResponse(request, "accounts/pages/no_link.html", status=404)
        if user is None or not links.is_valid(user, request.COOKIES.get(COOKIE) if in_cookie else token):
            return redirect_mended(request) or dead_link(request)
        self.user = user
        return super().dispatch(request, *args, **kwargs) if in_cookie else _into_cookie(request, name, token)

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"user": self.user}

    def form_valid(self, form: ChoosePasswordForm) -> HttpResponse:
        user = form.save()
        forget_failures(self.request, user)
        self.request.actor_id = user.pk  # type: ignore[attr-defined]  # for the request's log line
        security_event("authn_password_change", self.request, account=user.pk, by="link")
        response = super().form_valid(form)
        browsers.mark(self.request, response)
        response.delete_cookie(COOKIE, path=_path(self.kwargs["name"]), samesite="Lax")
        return response


def _account_of_link(name: str, *, for_update: bool) -> User | None:
    """Returns the active account to which a link belongs, with its password hash; None if there is no such account.

    If `for_update` is True, locks the account, because the link is about to be used.
    """
    try:
        key = int(urlsafe_base64_decode(name).decode("ascii"))
    except ValueError:
        return None
    accounts = User.objects.active().filter(pk=key, identity=None).defer(None)
    return (accounts.select_for_update(of=("self",), no_key=True) if for_update else accounts).first()


def _path(name: str) -> str:
    return reverse("choose-password", args=[name, IN_COOKIE])


def _into_cookie(request: HttpRequest, name: str, token: str) -> HttpResponse:
    """Redirects the browser, and moves the token into a cookie for this page only, until the browser is closed.

    The cookie has SameSite=Lax, because users come here by a link in a mail.
    """
    response = HttpResponseRedirect(_path(name))
    response.set_cookie(COOKIE, token, path=_path(name), secure=request.is_secure(), httponly=True, samesite="Lax")
    return response


def dead_link(request: HttpRequest) -> HttpResponse:
    return TemplateResponse(request, "accounts/pages/dead_link.html", status=404)


class OtherPathView(TemplateView):
    """Page for any other path under `account/`, such as a link whose end a mail program has changed."""

    http_method_names = PAGE_METHODS

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return redirect_mended(request) or dead_link(request)


class ChosenView(TemplateView):
    http_method_names = PAGE_METHODS
    template_name = "accounts/pages/chosen.html"


@never_cache
@in_browser_language
def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Page for a form without a valid CSRF token (setting CSRF_FAILURE_VIEW).

    Django's own page has inline styles, which our Content-Security-Policy forbids. Only the honeypot (the false admin
    login under `/admin/`) shows Django's page.

    The page has a form with what was typed, to send it once more. A form of another site isn't kept. Otherwise that
    site could choose the values, and only needed the visitor's click.
    """
    if f"{request.path_info}/".startswith("/admin/"):
        return csrf.csrf_failure(request, reason=reason)
    kept = kept_form(request) if _is_own_form(request) else None
    return render(request, "accounts/pages/form_refused.html", {"kept": kept}, status=403)


def _is_own_form(request: HttpRequest) -> bool:
    """Returns True if the browser says that the form was on a page of this site."""
    origin = request.headers.get("Origin")
    if origin is None:
        return request.headers.get("Sec-Fetch-Site") == "same-origin"
    return origin == f"{request.scheme}://{request.get_host()}"


forgotten = public(in_browser_language(ForgottenView.as_view()))
link_sent = public(in_browser_language(SentView.as_view()))
choose = public(in_browser_language(ChoosePasswordView.as_view()))
chosen = public(in_browser_language(ChosenView.as_view()))
other_path = public(in_browser_language(OtherPathView.as_view()))
