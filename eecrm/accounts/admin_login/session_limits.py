"""Limits of a session of the admin site: 30 minutes without a request, 8 hours altogether, checked on the server.

All sessions of an account end together with its API tokens. For this, each session holds the account's `logins_ended`,
a number that a trigger increments.

The time of the last request is in a signed cookie and not in the session, because no GET writes: pages are read on a
server that takes no changes, too. The cookie holds the session's name, so it is worth nothing for another session.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject
from django_otp import DEVICE_ID_SESSION_KEY

from access.security_log import security_event
from accounts.admin_login.session_store import digest
from accounts.login import browsers

# Key in a session's data: its start, in seconds since 1970.
STARTED = "started_at"
# Key in a session's data: the account's `logins_ended` at the time when the password was checked.
ENDED = "logins_ended"
_SALT = "accounts.admin_login.session_limits"

ENDINGS = {
    "timeout": (
        "You were logged out after {idle} minutes without a request, or {age} hours after your login. Log in again."
    ),
    "revoked": "Your account was changed or logged out everywhere since you logged in. Log in again.",
}


class SessionLimitMiddleware:
    """Makes the user of an ended session anonymous. Sets the cookie of the last request.

    After a login, also sets the cookie that marks a known browser.

    The check is lazy, like Django's own: it runs inside a view, where an outage of the database becomes a 503.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = SimpleLazyObject(partial(_current_user, request, request.user))
        request.user = user  # type: ignore[assignment]  # a proxy of the user
        response = self.get_response(request)
        _note_use(request, response)
        browsers.mark(request, response)
        return response


def _current_user(request: HttpRequest, user: Any) -> Any:
    if not user.is_authenticated:
        if SESSION_KEY in request.session:  # the session's account is inactive or deleted
            request.session.flush()
        return user
    reason = _ending(request, user)
    if not reason:
        request.session_goes_on = True  # type: ignore[attr-defined]  # read by `_note_use`
        return user
    security_event("session_expired", request, level=logging.INFO, account=user.pk, reason=reason)
    request.session.flush()
    messages.info(
        request,
        ENDINGS[reason].format(
            idle=settings.ADMIN_SESSION_IDLE.seconds // 60, age=settings.ADMIN_SESSION_AGE.seconds // 3600
        ),
    )
    return AnonymousUser()


def _note_use(request: HttpRequest, response: HttpResponse) -> None:
    """Set the cookie with the time of this request if its session goes on. Delete it with the session's own cookie."""
    session = request.session
    if getattr(request, "session_goes_on", False) and session.session_key:
        response.set_signed_cookie(
            settings.LAST_USE_COOKIE_NAME,
            name_of(session),
            salt=_SALT,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    elif session.is_empty() and settings.LAST_USE_COOKIE_NAME in request.COOKIES:
        response.delete_cookie(settings.LAST_USE_COOKIE_NAME, samesite="Lax")


def _is_idle(request: HttpRequest) -> bool:
    """Returns whether neither the start nor the last request of the session is recent. A new session has no cookie yet."""
    if _age(request.session) <= settings.ADMIN_SESSION_IDLE.total_seconds():
        return False
    seen = request.get_signed_cookie(
        settings.LAST_USE_COOKIE_NAME, default="", salt=_SALT, max_age=settings.ADMIN_SESSION_IDLE
    )
    return seen != name_of(request.session)


def _age(session: SessionBase) -> float:
    return time.time() - session.get(STARTED, 0)


def ends_at(session: SessionBase) -> datetime:
    """Returns the latest end of a session, however busy it is."""
    return datetime.fromtimestamp(session.get(STARTED, 0), UTC) + settings.ADMIN_SESSION_AGE


def _ending(request: HttpRequest, user: Any) -> str:
    """Returns the reason why this session has ended, in words of the OWASP Logging Vocabulary; empty if it hasn't."""
    session = request.session
    if session.get(ENDED) != user.logins_ended:
        return "revoked"
    if _is_idle(request) or _age(session) > settings.ADMIN_SESSION_AGE.total_seconds():
        return "timeout"
    verified_by = session.get(DEVICE_ID_SESSION_KEY)
    if verified_by and verified_by != getattr(user.second_factor, "persistent_id", None):
        return "revoked"
    return ""


def go_on(request: HttpRequest, user: Any) -> None:
    """Keeps this session, after its owner's request has ended all logins of the account.

    `user.logins_ended` counts that end already. If other code ended the logins again meanwhile, the database has a
    higher number, and this session ends too.
    """
    request.session[ENDED] = user.logins_ended


def name_of(session: SessionBase) -> str:
    """Returns an identifier of a session: a digest of its key, which gives no access to the session."""
    return digest(session.session_key or "")


def begin(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    """Starts the limits of a session after a login.

    If the session existed before, it forgets that a second factor was proved.
    """
    request.session.pop(DEVICE_ID_SESSION_KEY, None)
    request.session[ENDED] = user.logins_ended
    request.session[STARTED] = int(time.time())
    if user.second_factor is None and settings.SECOND_FACTOR != "required":
        browsers.know(request, user)  # otherwise `GateView.verified` does it, after the second factor
    security_event("session_created", request, level=logging.INFO, account=user.pk)


def end(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    if user is not None:
        security_event("session_expired", request, level=logging.INFO, account=user.pk, reason="logout")
