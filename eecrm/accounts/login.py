"""Checking a username and a password: one answer, in one time, for whatever is wrong; and not without end.

Limits stand before the hashing, which is the expensive part. Each failure counts for the address, for the account at that
address, and for the account. A name is counted whether or not an account has it, in the one spelling of usernames.
"""

import logging
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest

from access.security_log import security_event
from accounts.models import User, normalise_username
from accounts.passwords import is_too_long
from api import limits
from api.addresses import place_of

_NO_PASSWORD = "!"  # hashed against all the same, so that it takes as long


def account_for(request: HttpRequest, *, username: str, password: str) -> User | None:
    """The active account with this username and password. Raises TooManyRequests for an address that asks too often."""
    if is_too_long(password):
        return None
    return _Attempt(request, username).account_for(password)


class AccountBackend(ModelBackend):
    """Django's question `authenticate(request, username=…, password=…)`, for the admin site."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """The account, or None. Where the address asks too often, `request.login_wait` says for how many seconds."""
        if request is None or username is None or password is None:
            return None
        try:
            return account_for(request, username=username, password=password)
        except limits.TooManyRequests as refusal:
            request.login_wait = refusal.wait  # type: ignore[attr-defined]  # read by the form
            raise PermissionDenied from None


# What an address is refused for, and then what an account rests for. What is refused counts no further: from one address
# nobody can use up what an account has everywhere.
_OF_ADDRESS, _OF_ACCOUNT = ("login", "login_failed_address"), ("login_failed_here", "login_failed_account")

# Whatever has to be known before the hashing, in one statement: a row for each limit that was asked, the account in the first.
_FIELDS = [field.attname for field in User._meta.concrete_fields]  # with the password, which is left out elsewhere
_COUNT = f"""
    SELECT granted, remaining, wait, {", ".join(f"account.{name}" for name in _FIELDS)}
      FROM {limits.TAKE} WITH ORDINALITY
      LEFT JOIN accounts_user AS account ON ordinality = 1 AND account.username = %s
     ORDER BY ordinality
"""


class _Attempt:
    def __init__(self, request: HttpRequest, username: str) -> None:
        self.request, self.name = request, normalise_username(username)
        place = place_of(request)
        self.whose = {
            "login": place,
            "login_failed_address": place,
            "login_failed_here": f"{self.name} {place}",
            "login_failed_account": self.name,
        }

    def account_for(self, password: str) -> User | None:
        user, is_locked = self._count()
        is_right = (user or User(password=_NO_PASSWORD)).check_password(password)
        if user is None or not is_right or is_locked or not user.is_active:
            self._tell_failure(user, is_right=is_right, is_locked=is_locked)
            return None
        limits.give_back(self.request, *self._limits("login_failed_address", *_OF_ACCOUNT))
        security_event(
            "authn_login_success", self.request, level=logging.INFO, account=user.pk, role=user.effective_role
        )
        return user

    def _count(self) -> tuple[User | None, bool]:
        """Who it may be, and whether the account rests: that is told to nobody, but answered like a wrong password, after the
        same work. Raises TooManyRequests.
        """
        wanted = ((*one, 1) for one in self._limits(*_OF_ADDRESS, *_OF_ACCOUNT))
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, [*limits.arguments(*wanted), self.name])
            rows = cursor.fetchall()
        _, _, _, *fields = rows[0]
        granted, _, wait, *_ = rows[-1]
        if granted or len(rows) > len(_OF_ADDRESS):
            is_known = fields[_FIELDS.index("id")] is not None
            return (User.from_db(connection.alias, _FIELDS, fields) if is_known else None), not granted
        security_event("excess_rate_limit_exceeded", self.request, limit="login")
        raise limits.TooManyRequests(wait)

    def _limits(self, *names: str) -> list[tuple[limits.Limit, str]]:
        return [(limits.limit(name), self.whose[name]) for name in names]

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
