"""Moves the clock of a session of the admin site, by its own notes: its start, and the cookie of its last request."""

import time
from typing import Any

from django.conf import settings
from django.core import signing

from accounts.admin_login import session_limits
from accounts.admin_login.session_store import SessionStore


def as_if(session: Any, *, started: float, used: float) -> str:
    """Say that the session began and was last used so many seconds ago. The cookie of its last request."""
    store = SessionStore(session.session_key)
    store[session_limits.STARTED] = int(time.time() - started)
    store.save()
    signer: Any = signing.get_cookie_signer(salt=settings.LAST_USE_COOKIE_NAME + session_limits._SALT)
    signer.timestamp = lambda: signing.b62_encode(int(time.time() - used))
    return str(signer.sign(session_limits.name_of(store)))


def let_pass(browser: Any, *, started: float = 0, used: float = 0) -> None:
    """The same for a browser of these tests. A session began before its last request."""
    cookie = as_if(browser.session, started=max(started, used), used=used)
    browser.cookies[settings.LAST_USE_COOKIE_NAME] = cookie
