"""The honeypot at `/admin/`: Django's stock admin site, which admits nobody and logs every attempt.

The honeypot is a real `AdminSite` without models, so its answers are those of a stock site. The honeypot reads no
session and no database. A request costs an attacker nothing, so its answer must cost the server almost nothing.
"""

import logging
import time
from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from access.permissions import public
from access.security_log import security_event
from accounts.passwords.validators import is_too_long
from api.requests.bounds import MAX_CREDENTIAL_BYTES, body_length

# Minimum time between two password hashes in a process.
# A single login attempt takes the time of one password hash, as on a real admin site.
# In a flood of attempts most are refused without a hash, so the flood doesn't use up the processor.
MIN_HASH_INTERVAL_SECONDS = 0.25


def _logged(view: Any) -> Any:
    """Returns the stock view with two steps before it: log the attempt, and make the user anonymous.

    The user becomes anonymous even if the request has a manager's session.
    """
    protected = csrf_protect(view)

    @wraps(view)
    def logged(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        security_event(
            "malicious_direct_reference",
            request,
            level=logging.CRITICAL if request.method == "POST" else logging.WARNING,
            what="the decoy admin site",
            tried="login" if request.method == "POST" else "visit",
            user_agent=request.headers.get("User-Agent", "")[:200],
        )
        if body_length(request) > MAX_CREDENTIAL_BYTES:
            request.session.accessed = True  # makes Django add `Vary: Cookie`, as a stock site does
            raise RequestDataTooBig
        request.user = AnonymousUser()
        vars(request).pop("_messages", None)  # messages of the real admin site must not appear in the honeypot
        return protected(request, *args, **kwargs)

    # CsrfViewMiddleware would refuse an attempt without a CSRF token before the attempt is logged.
    # So CsrfViewMiddleware must skip this view. `protected` checks the CSRF token after the attempt was logged.
    logged.csrf_exempt = True  # type: ignore[attr-defined]  # CsrfViewMiddleware then skips the view
    return public(transaction.non_atomic_requests(logged))


class _HashingClock:
    due = 0.0

    def hash(self, password: str) -> None:
        """Hashes the password, so that the answer takes as long as a login with a wrong password.

        Does nothing if this process has just hashed another password, or if the password is too long to be hashed.
        """
        now = time.monotonic()
        if now >= self.due and not is_too_long(password):
            self.due = now + MIN_HASH_INTERVAL_SECONDS
            make_password(password)


_clock = _HashingClock()


class DecoyForm(AdminAuthenticationForm):
    """Login form that refuses every attempt without reading an account."""

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("username") is not None and self.cleaned_data.get("password"):
            _clock.hash(self.cleaned_data["password"])
            raise self.get_invalid_login_error()
        return self.cleaned_data


class HoneypotSite(AdminSite):
    login_form = DecoyForm

    def has_permission(self, request: HttpRequest) -> bool:
        request.session.accessed = True  # makes Django add `Vary: Cookie`, as a stock site does
        return False

    def get_urls(self) -> list[Any]:
        patterns = super().get_urls()
        for pattern in patterns:
            pattern.callback = _logged(pattern.callback)
        return patterns


site = HoneypotSite(name="decoy")


@_logged
@csrf_exempt  # a stock site redirects before it checks the CSRF token
def without_slash(request: HttpRequest) -> HttpResponse:
    """Redirects `/admin` to `/admin/`, as a stock site does. Django's setting APPEND_SLASH would do it, but is off."""
    response = HttpResponsePermanentRedirect(request.get_full_path(force_append_slash=True))
    response.xframe_options_exempt = True  # a stock site's redirect has no header X-Frame-Options either
    return response
