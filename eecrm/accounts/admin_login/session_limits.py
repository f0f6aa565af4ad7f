"""Limits of a session of the admin site: 30 minutes without a request, 8 hours altogether, checked on the server.

All sessions of an account end together with its API tokens. A trigger then raises the account's counter `logins_ended`.
Each session stores a copy of the counter. A session has ended if its copy differs from the account's counter.

The time of the last request is stored in a signed cookie and not in the session. So a GET writes nothing, and users can
read pages while the database is read-only. The cookie contains a digest of the session key, so the cookie is invalid
for another session.
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

from access.database import as_login_role
from access.security_log import security_event
from accounts.admin_login.session_store import digest
from accounts.login import browsers

# Key under which a session's data contains the start of the session, in seconds since 1970.
STARTED = "started_at"
# Key under which a session's data contains the account's counter `logins_ended`, as it was at the login.
ENDED = "logins_ended"
# Key under which a session's data contains the digest of the mark of a form that was answered in it.
ANSWERED = "answered"
# Key under which the row of an old session key contains the data that a repeat of the form restores.
RESUMED = "resumed"
_SALT = "accounts.admin_login.session_limits"

ENDINGS = {
    "timeout": (
        "You were logged out after {idle} minutes without a request, or {age} hours after your login. Log in again."
    ),
    "revoked": "Your account was changed or logged out everywhere since you logged in. Log in again.",
}


class SessionLimitMiddleware:
    """Makes the user of an ended session anonymous, and sets the cookie with the time of the last request.

    After a login, the middleware also sets the cookie that marks a known browser.

    The session is checked when a view first reads the user, as in Django. If the database is down, the error is thus
    raised inside the view, and the answer is 503.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = SimpleLazyObject(partial(_current_user, request, request.user))
        request.user = user  # type: ignore[assignment]  # a proxy that checks the session when a view reads the user
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
        request.session_goes_on = True  # type: ignore[attr-defined]  # `_note_use` reads this attribute
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
    """Sets the cookie with the time of this request if the session goes on.

    Deletes the cookie if the browser has no session any more.
    """
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
    elif (
        session.is_empty()
        and not getattr(session, "is_unknown", False)
        and settings.LAST_USE_COOKIE_NAME in request.COOKIES
    ):
        response.delete_cookie(settings.LAST_USE_COOKIE_NAME, samesite="Lax")


def _is_idle(request: HttpRequest) -> bool:
    """Returns True if the session's start and its last request are both longer ago than ADMIN_SESSION_IDLE.

    The start is checked too, because a new session has no cookie with its last request yet.
    """
    if _age(request.session) <= settings.ADMIN_SESSION_IDLE.total_seconds():
        return False
    seen = request.get_signed_cookie(
        settings.LAST_USE_COOKIE_NAME, default="", salt=_SALT, max_age=settings.ADMIN_SESSION_IDLE
    )
    return seen != name_of(request.session)


def _age(session: SessionBase) -> float:
    return time.time() - session.get(STARTED, 0)


def ends_at(session: SessionBase) -> datetime:
    """Returns the time at which a session ends even if it is in use."""
    return datetime.fromtimestamp(session.get(STARTED, 0), UTC) + settings.ADMIN_SESSION_AGE


def _ending(request: HttpRequest, user: Any) -> str:
    """Returns the reason why this session has ended. Returns an empty string if the session goes on.

    The reasons are words of the OWASP Logging Vocabulary.
    """
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
    """Keeps this session alive after a request of its owner has ended all logins of the account.

    Each end of all logins raises the account's counter `logins_ended`. This request has raised `user.logins_ended` by
    one, and the session stores the new number. If other code ended all logins at the same time, the counter in the
    database is higher, and this session ends too.
    """
    request.session[ENDED] = user.logins_ended


def answer_of(session: SessionBase) -> str:
    """Returns the digest of the mark of the form that was answered last in this session, as it is stored now."""
    with as_login_role():
        return str(type(session)(session.session_key).get(ANSWERED, ""))


def resume(request: HttpRequest, mark: str) -> None:
    """Restores the data of a session whose key an earlier post of the same form has replaced a moment ago.

    `mark` identifies the form. Must run before the user of the request is read.
    """
    session = request.session
    if RESUMED in session and session.get(ANSWERED) == digest(mark):
        session.update(session.pop(RESUMED))


def name_of(session: SessionBase) -> str:
    """Returns an identifier of a session: a digest of the session key. The digest gives no access to the session."""
    return digest(session.session_key or "")


def begin(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    """Starts the limits of a session after a login.

    If the session existed before the login, its proof of a second factor is removed.
    """
    for name in (DEVICE_ID_SESSION_KEY, ANSWERED, RESUMED, "_session_expiry"):
        request.session.pop(name, None)
    request.session[ENDED] = user.logins_ended
    request.session[STARTED] = int(time.time())
    if user.second_factor is None and settings.SECOND_FACTOR != "required":
        browsers.know(request, user)  # `GateView.verified` does this later if a code is required first
    security_event("session_created", request, level=logging.INFO, account=user.pk)


def end(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    if user is not None:
        security_event("session_expired", request, level=logging.INFO, account=user.pk, reason="logout")
