"""How long a login to the admin site lasts: 30 minutes without a request, 8 hours altogether, by the server's own notes.

All sessions of an account end together with its tokens: each holds the account's number of such ends (`logins_ended`), which
a trigger raises.
"""

import logging
import time
from collections.abc import Callable
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

# Seconds since 1970, in the session: when it began, and when it was last seen (to the minute).
STARTED, LAST_SEEN = "started_at", "seen_at"
# The account's number of ends when it was checked, which is before the session began.
ENDED = "logins_ended"
WRITE_EVERY = 60

ENDINGS = {
    "timeout": "You were logged out after {idle} minutes without a request, or {age} hours after your login. Log in again.",
    "revoked": "Your account was changed or logged out everywhere since you logged in. Log in again.",
}


class SessionLimitMiddleware:
    """The visitor of a session that is over is nobody. Who has logged in has a marked browser.

    As lazy as Django's own: the question is asked inside a view, where an outage of the database becomes a 503.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.user = SimpleLazyObject(partial(_present, request, request.user))  # type: ignore[assignment]  # stands for it
        response = self.get_response(request)
        browsers.mark(request, response)
        return response


def _present(request: HttpRequest, user: Any) -> Any:
    if not user.is_authenticated:
        if SESSION_KEY in request.session:  # of an account that isn't active, or is deleted
            request.session.flush()
        return user
    reason = _ending(request.session, user)
    if not reason:
        if _age(request.session, LAST_SEEN) >= WRITE_EVERY:
            request.session[LAST_SEEN] = int(time.time())
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


def _age(session: SessionBase, note: str) -> float:
    return time.time() - session.get(note, 0)


def _ending(session: SessionBase, user: Any) -> str:
    """Why this session is over (a reason of the OWASP vocabulary); empty while it isn't."""
    if session.get(ENDED) != user.logins_ended:
        return "revoked"
    if _age(session, LAST_SEEN) > settings.ADMIN_SESSION_IDLE.total_seconds():
        return "timeout"
    if _age(session, STARTED) > settings.ADMIN_SESSION_AGE.total_seconds():
        return "timeout"
    verified_by = session.get(DEVICE_ID_SESSION_KEY)
    if verified_by and verified_by != getattr(user.second_factor, "persistent_id", None):
        return "revoked"
    return ""


def go_on(request: HttpRequest, user: Any) -> None:
    """Keep this session, in which its owner has just ended all logins. `user` counts on from what the session began with:
    another end in between is one more, and ends this session too.
    """
    request.session[ENDED] = user.logins_ended


def name_of(session: SessionBase) -> str:
    """Which session it is, in a text that opens none."""
    return digest(session.session_key or "")


def begin(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    """Whoever has just logged in starts anew, in an old session too: without the second factor of last time."""
    request.session.pop(DEVICE_ID_SESSION_KEY, None)
    request.session[ENDED] = user.logins_ended
    request.session[STARTED] = request.session[LAST_SEEN] = int(time.time())
    if user.second_factor is None and settings.SECOND_FACTOR != "required":
        browsers.know(request, user)  # else once the second factor is shown (`GateView.verified`)
    security_event("session_created", request, level=logging.INFO, account=user.pk)


def end(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    if user is not None:
        security_event("session_expired", request, level=logging.INFO, account=user.pk, reason="logout")
