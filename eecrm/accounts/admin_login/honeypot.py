"""`/admin/`, where everybody looks first: Django's own admin site, stock, with nobody to let in. Every try is logged.

It is a real `AdminSite` without models, so that it answers as one does, whatever is asked. It reads no session and no
database: it costs an attacker nothing to call, and so it must cost us next to nothing.
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

from access.security_log import security_event
from accounts.passwords.validators import is_too_long
from api.requests.bounds import MAX_CREDENTIAL_BYTES, body_length

# Of each process. A careful attacker who measures finds a hash behind every try; a flood doesn't get the processor.
SECONDS_BETWEEN_HASHES = 0.25


def _watched(view: Any) -> Any:
    """The view, after the try has been logged. Its visitor is nobody, even with the session of a manager."""
    protected = csrf_protect(view)

    @wraps(view)
    def watched(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        security_event(
            "malicious_direct_reference",
            request,
            level=logging.CRITICAL if request.method == "POST" else logging.WARNING,
            what="the decoy admin site",
            tried="login" if request.method == "POST" else "visit",
            user_agent=request.headers.get("User-Agent", "")[:200],
        )
        if body_length(request) > MAX_CREDENTIAL_BYTES:
            request.session.accessed = True  # as a stock site answers it, which has another bound
            raise RequestDataTooBig
        request.user = AnonymousUser()
        vars(request).pop("_messages", None)  # what the real site has to say stays for the real site
        return protected(request, *args, **kwargs)

    watched.is_public = True  # type: ignore[attr-defined]  # for access.checks
    # Checked in here instead: the middleware would refuse a try without a token before it is logged.
    watched.csrf_exempt = True  # type: ignore[attr-defined]  # for CsrfViewMiddleware
    return transaction.non_atomic_requests(watched)


class _HashingClock:
    due = 0.0

    def hash(self, password: str) -> None:
        """Take as long as a wrong password takes at a real login, unless another try has just done so."""
        now = time.monotonic()
        if now >= self.due and not is_too_long(password):
            self.due = now + SECONDS_BETWEEN_HASHES
            make_password(password)


_clock = _HashingClock()


class DecoyForm(AdminAuthenticationForm):
    """Refuses everybody, and asks nobody."""

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("username") is not None and self.cleaned_data.get("password"):
            _clock.hash(self.cleaned_data["password"])
            raise self.get_invalid_login_error()
        return self.cleaned_data


class DecoySite(AdminSite):
    login_form = DecoyForm

    def has_permission(self, request: HttpRequest) -> bool:
        request.session.accessed = True  # Django would ask it here, and say so in the Vary header
        return False

    def get_urls(self) -> list[Any]:
        patterns = super().get_urls()
        for pattern in patterns:
            pattern.callback = _watched(pattern.callback)
        return patterns


site = DecoySite(name="decoy")


@_watched
@csrf_exempt  # as the middleware that does it in a stock site comes before the check
def without_slash(request: HttpRequest) -> HttpResponse:
    """What Django's APPEND_SLASH, which is off here, makes of `/admin`."""
    response = HttpResponsePermanentRedirect(request.get_full_path(force_append_slash=True))
    response.xframe_options_exempt = True  # XFrameOptionsMiddleware never sees Django's
    return response
