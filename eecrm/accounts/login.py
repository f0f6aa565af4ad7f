"""Checking a username and a password: one answer, in one time, for whatever is wrong; and not without end.

Limits stand before the hashing, which is the expensive part. Each failure counts for the address, for the account, and for
the account at that address. A name is counted whether or not an account has it, in the one spelling of usernames.
"""

import logging
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from access.security_log import security_event
from accounts.models import User, normalise_username
from accounts.passwords import is_too_long
from api import limits
from api.addresses import place_of

_NO_PASSWORD = "!"  # hashed against all the same, so that it takes as long


class AccountBackend(ModelBackend):
    """Django's question `authenticate(request, username=…, password=…)`, for the API and the admin site alike."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """The account, or None. Where the address asks too often, `request.login_wait` says for how many seconds."""
        if request is None or username is None or password is None or is_too_long(password):
            return None
        return _Attempt(request, username).account_for(password)


class _Attempt:
    def __init__(self, request: HttpRequest, username: str) -> None:
        self.request, self.name = request, normalise_username(username)
        place = place_of(request)
        self.address_limits = [(limits.limit(name), place) for name in ("login", "login_failed_address")]
        self.account_limits = [
            (limits.limit("login_failed_account"), self.name),
            (limits.limit("login_failed_here"), f"{self.name} {place}"),
        ]

    def account_for(self, password: str) -> User | None:
        self._count_for_address()
        is_locked = self._count_for_account()
        user = User.objects.defer(None).filter(username=self.name).first()
        is_right = (user or User(password=_NO_PASSWORD)).check_password(password)
        if user is None or not is_right or is_locked or not user.is_active:
            self._tell_failure(user, is_right=is_right, is_locked=is_locked)
            return None
        limits.take(*((limit, whose, -1) for limit, whose in (self.address_limits[1], *self.account_limits)))
        security_event(
            "authn_login_success", self.request, level=logging.INFO, account=user.pk, role=user.effective_role
        )
        return user

    def _count_for_address(self) -> None:
        taken = limits.take(*((limit, whose, 1) for limit, whose in self.address_limits))
        wait = max((one.wait for one in taken if not one.granted), default=None)
        if wait is None:
            return
        self.request.login_wait = wait  # type: ignore[attr-defined]  # read by the login view and the admin's form
        security_event("excess_rate_limit_exceeded", self.request, limit="login")
        raise PermissionDenied

    def _count_for_account(self) -> bool:
        """Whether the account rests. Told to nobody: it is answered like a wrong password, after the same work."""
        taken = limits.take(*((limit, whose, 1) for limit, whose in self.account_limits))
        return not all(one.granted for one in taken)

    def _tell_failure(self, user: User | None, *, is_right: bool, is_locked: bool) -> None:
        event = "authn_login_lock" if is_locked else "authn_login_fail"
        reason = "unknown" if user is None else "password" if not is_right else "locked" if is_locked else "inactive"
        security_event(event, self.request, account=user.pk if user else None, reason=reason)


def is_own_password(request: HttpRequest, user: User, password: str) -> bool:
    """Whether somebody who is logged in knows the account's password. Raises TooManyRequests after too many wrong ones.

    A refusal must be answered, not raised: the count is in the transaction of the request.
    """
    tries = (limits.limit("own_password"), str(user.pk))
    (taken,) = limits.take((*tries, 1))
    if not taken.granted:
        security_event("excess_rate_limit_exceeded", request, limit="own_password")
        raise limits.TooManyRequests(taken.wait)
    if user.check_password(password):
        limits.take((*tries, -1))
        return True
    security_event("authn_password_change_fail", request, account=user.pk)
    return False
