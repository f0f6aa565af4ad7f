"""Pages of the second factor. The pages run in the only database role that may read the secrets (`eecrm_app`)."""

import re
from hashlib import sha256
from typing import Any, cast
from urllib.parse import urlencode
from uuid import uuid4

import segno
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.auth.views import RedirectURLMixin, redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic.edit import FormView
from django_otp import DEVICE_ID_SESSION_KEY, login

from access.database import leave
from accounts.admin_login import second_factor
from accounts.admin_login.forms import CodeForm, ManageForm, SetUpForm
from accounts.admin_login.session_limits import ANSWERED, RESUMED, answer_of, go_on, resume
from accounts.admin_login.session_store import SessionStore, digest
from accounts.admin_login.site import is_staff, is_verified
from accounts.login import browsers
from accounts.models import AuthenticatorApp, User

_ONCE = re.compile("[0-9a-f]{32}")


class GateView(RedirectURLMixin, FormView):
    site = cast(AdminSite, None)  # as_view(site=…) sets this attribute
    title = ""
    form_class: type[forms.Form] = CodeForm

    @method_decorator(never_cache)
    @method_decorator(sensitive_post_parameters())
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST":
            resume(request, self.mark)
        request.actor_id = request.user.pk  # type: ignore[attr-defined]  # the request's log line names this account
        if not is_staff(request):
            return redirect_to_login(request.get_full_path(), self.address("login", next_url=""))
        if elsewhere := self.elsewhere():
            return HttpResponseRedirect(elsewhere)
        leave(user_id=request.user.pk)  # switches to the login role; the audit trail still records the visitor
        return super().dispatch(request, *args, **kwargs)  # type: ignore[return-value]  # stubs say HttpResponseBase

    @property
    def account(self) -> User:
        return cast(User, self.request.user)

    def elsewhere(self) -> str:
        """Returns the URL to redirect to if this user can't use the page now. Otherwise returns an empty string."""
        raise NotImplementedError

    def address(self, name: str, *, next_url: str | None = None) -> str:
        """Returns the URL of the page `name`. Its parameter `next` is the page to which the user goes afterwards.

        `next_url` is the value of the parameter `next`. If `next_url` is None, the parameter `next` is copied from this
        request. If `next_url` is empty, the URL has no parameter `next`.
        """
        next_url = self.get_redirect_url() if next_url is None else next_url
        query = f"?{urlencode({'next': next_url})}" if next_url else ""
        return reverse(f"admin:{name}", current_app=self.site.name) + query

    def get_default_redirect_url(self) -> str:
        return self.address("index", next_url="")

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"request": self.request}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        shared = {
            "title": self.title,
            "next": self.get_redirect_url(),
            "is_required": settings.SECOND_FACTOR == "required",
            "once": uuid4().hex,
        }
        return self.site.each_context(self.request) | shared | super().get_context_data(**kwargs)

    @property
    def mark(self) -> str:
        """A text for this form and the code that was typed into it. A repeat, for example a double click, has the same.

        The form has 128 random bits. Without them, the text is a new one. Recovery codes are computed from the text, so
        only its digest is stored.
        """
        sent = self.request.POST
        once, code = sent.get("once", ""), "".join((sent.get("new_code") or sent.get("code", "")).split())
        return sha256(f"{once if _ONCE.fullmatch(once) else uuid4().hex} {code}".encode()).hexdigest()

    def lock(self) -> User:
        """Locks and returns the account's row. The second of two clicks waits here until the first is answered."""
        return User.objects.select_for_update(no_key=True).get(pk=self.account.pk)

    def verified(self, device: AuthenticatorApp, mark: str) -> None:
        """Stores in the session that the user has proved the second factor, and gives the session a new key.

        The old key stays for a moment, and recognises the second of two clicks. It opens nothing else.
        """
        session = cast(SessionStore, self.request.session)
        session[ANSWERED] = digest(mark)
        resumed = {name: value for name, value in session.items() if name != DEVICE_ID_SESSION_KEY}
        login(self.request, device)
        session.replace_key({ANSWERED: digest(mark), RESUMED: resumed})
        browsers.know(self.request, self.account)

    def is_repeat(self, mark: str) -> bool:
        """Returns True if the form was answered in this session a moment ago."""
        return answer_of(self.request.session) == digest(mark)

    def show_codes(self, codes: list[str]) -> HttpResponse:
        context = {
            "codes": [second_factor.grouped(code) for code in codes],
            "aim": self.get_success_url(),
            "title": "Your recovery codes",
        }
        return self.response_class(
            self.request, ["accounts/admin_login/codes.html"], self.site.each_context(self.request) | context
        )


class EnterCodeView(GateView):
    """Page that asks for a code of the app or a recovery code, after the password."""

    title = "Second factor"
    template_name = "accounts/admin_login/enter.html"

    def elsewhere(self) -> str:
        if self.account.second_factor is None:
            return self.address("second_factor_set_up")
        return self.get_success_url() if is_verified(self.request) else ""

    def post(self, *args: Any, **kwargs: Any) -> HttpResponse:
        self.lock()
        if self.is_repeat(mark := self.mark):
            self.verified(self.account.second_factor, mark)
            return HttpResponseRedirect(self.get_success_url())
        return super().post(*args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        self.verified(self.account.second_factor, self.mark)
        left = second_factor.recovery_codes_left(self.account)
        if left < second_factor.RECOVERY_CODES // 2:
            messages.warning(self.request, f"Recovery codes left: {left}. Make new ones before they run out.")
        return super().form_valid(form)


class SetUpView(GateView):
    """Page to set up an authenticator app: the account's first app or a replacement."""

    title = "Set up your second factor"
    template_name = "accounts/admin_login/set_up.html"
    form_class = SetUpForm
    app: AuthenticatorApp

    def elsewhere(self) -> str:
        if self.account.second_factor is None or is_verified(self.request) or self.is_repeat(self.mark):
            return ""
        return self.address("second_factor")

    def get(self, *args: Any, **kwargs: Any) -> HttpResponse:
        """Shows a new seed (TOTP secret) at each request.

        The seed is stored only after the user has entered the first code of the app.
        """
        self.app = second_factor.offer(self.account)
        return super().get(*args, **kwargs)

    def post(self, *args: Any, **kwargs: Any) -> HttpResponse:
        # Without the lock, two concurrent set-ups of one account could both succeed.
        # With the lock, the second set-up gets a warning.
        locked = self.lock()
        present = AuthenticatorApp.objects.filter(user=self.account).first()
        if present and self.is_repeat(self.mark) and (codes := second_factor.repeated_codes(self.account, self.mark)):
            self.account.second_factor, self.account.logins_ended = present, locked.logins_ended
            go_on(self.request, self.account)
            self.verified(present, self.mark)
            return self.show_codes(codes)
        app = second_factor.offered(self.account, self.request.POST.get("offer", ""), replaces=present)
        if app is None or present != self.account.second_factor:
            messages.warning(self.request, "This set-up was too old, or done in another window. Scan the new QR code.")
            return HttpResponseRedirect(self.address("second_factor_set_up"))
        self.app = app
        return super().post(*args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        replaces = self.account.second_factor is not None
        return super().get_form_kwargs() | {"app": self.app, "replaces": replaces}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        address = self.app.config_url
        return super().get_context_data(**kwargs) | {
            "qr_code": segno.make(address, error="m").svg_data_uri(scale=5, light="#fff"),
            "secret": second_factor.grouped(address.split("secret=")[1].split("&")[0]),
            "offer": second_factor.sealed_offer(self.app, replaces=self.account.second_factor),
        }

    def form_valid(self, form: Any) -> HttpResponse:
        codes = second_factor.enrol(self.request, self.app, self.mark)
        self.account.second_factor = self.app
        go_on(self.request, self.account)
        self.verified(self.app, self.mark)
        return self.show_codes(codes)


class ManageView(GateView):
    """Page to make new recovery codes, or to remove the second factor if it isn't required."""

    title = "Your second factor"
    template_name = "accounts/admin_login/manage.html"
    form_class = ManageForm

    def elsewhere(self) -> str:
        if self.account.second_factor is None:
            return self.address("second_factor_set_up")
        return "" if is_verified(self.request) else self.address("second_factor", next_url=self.request.get_full_path())

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"may_remove": settings.SECOND_FACTOR != "required"}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        left = {"left": second_factor.recovery_codes_left(self.account), "device": self.account.second_factor}
        return super().get_context_data(**kwargs) | left

    def post(self, *args: Any, **kwargs: Any) -> HttpResponse:
        self.lock()
        if not AuthenticatorApp.objects.filter(user=self.account).exists():  # the first of two clicks has removed it
            return HttpResponseRedirect(self.get_success_url())
        is_codes = self.request.POST.get("action") == "codes"
        if is_codes and (codes := second_factor.repeated_codes(self.account, self.mark)):
            return self.show_codes(codes)
        return super().post(*args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        if form.cleaned_data["action"] == "codes":
            return self.show_codes(second_factor.new_recovery_codes(self.request, self.account, self.mark))
        second_factor.remove(self.request, self.account)
        go_on(self.request, self.account)
        del self.request.session[DEVICE_ID_SESSION_KEY]
        messages.warning(self.request, "Your second factor is removed: your password alone lets you in now.")
        return HttpResponseRedirect(self.get_success_url())
