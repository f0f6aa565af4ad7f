"""Checking a username and a password: one answer, in one time, for whatever is wrong; and not without end.

Limits stand before the hashing, which is the expensive part. Each failure counts for the address, for the account at that
address, and for the account. A name is counted whether or not an account has it, in the one spelling of usernames.

Nobody keeps a colleague out (`security.md` 34). Failures at one address refill more slowly than those of the account, so
that one address never uses up what the account has elsewhere. Where the account has logged in before, only the failures
at that address count, and a browser in which it has logged in is a place of its own. A password chosen by link empties the
account's bucket (`forget_failures`).
"""

import logging
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.http import HttpRequest
from rest_framework.exceptions import AuthenticationFailed

from access.database import as_login_role, leave
from access.security_log import security_event
from accounts.admin_login import second_factor
from accounts.login import browsers
from accounts.models import User, normalise_username
from accounts.passwords.validators import is_too_long
from api.requests import limits
from api.requests.client_address import place_of

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

    def get_user(self, user_id: int) -> User | None:
        """The active account of a session, with the password's hash. Django compares that with the session next, and
        would read the account a second time for it.
        """
        user = User.objects.defer(None).filter(pk=user_id).first()
        return user if user is not None and user.is_active else None


# What an address is refused for, and then what an account rests for. What is refused counts no further: from one address
# nobody can use up what an account has everywhere.
_OF_ADDRESS, _OF_ACCOUNT = ("login", "login_failed_address"), ("login_failed_here", "login_failed_account")
_WANTED = _OF_ADDRESS + _OF_ACCOUNT

# All that the check needs before the hashing, in one statement: a row for each limit that was asked, the account in the
# first. The last limit, of the whole account, isn't asked where the account is known.
_ACCOUNT_COLUMNS = [
    field.attname for field in User._meta.concrete_fields
]  # with the password, which is left out elsewhere
_COUNT = f"""
    SELECT granted, remaining, wait, second_factor_of(account.id), {", ".join(f"account.{name}" for name in _ACCOUNT_COLUMNS)}
      FROM take_limits((%s::text[])[: {len(_WANTED)} - (
               SELECT count(*) FROM accounts_knownplace JOIN accounts_user AS its ON its.id = user_id
                WHERE its.username = %s AND place = %s)], %s, %s, %s) WITH ORDINALITY
      LEFT JOIN accounts_user AS account ON ordinality = 1 AND account.username = %s
     ORDER BY ordinality
"""


class _Attempt:
    def __init__(self, request: HttpRequest, username: str) -> None:
        self.request, self.name = request, normalise_username(username)
        self.place = browsers.place_for(request, self.name)
        self.asked = len(_WANTED)
        self.whose = {
            "login": place_of(request),  # what hashing costs, whoever it is
            "login_failed_address": self.place,
            "login_failed_here": f"{self.name} {self.place}",
            "login_failed_account": self.name,
        }

    def account_for(self, password: str) -> User | None:
        user, is_locked = self._count()
        is_right = (user or User(password=_NO_PASSWORD)).check_password(password)
        if user is None or not is_right or is_locked or not user.is_active:
            self._tell_failure(user, is_right=is_right, is_locked=is_locked)
            return None
        limits.give_back(self.request, *self._limits(*_WANTED[1 : self.asked]))
        security_event(
            "authn_login_success", self.request, level=logging.INFO, account=user.pk, role=user.effective_role
        )
        return user

    def _count(self) -> tuple[User | None, bool]:
        """Who it may be, and whether the account rests: that is told to nobody, but answered like a wrong password, after the
        same work. Raises TooManyRequests.
        """
        buckets, *rest = limits.arguments(*((*one, 1) for one in self._limits(*_WANTED)))
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, [buckets, self.name, self.place, *rest, self.name])
            rows = cursor.fetchall()
        _, _, _, app, *fields = rows[0]
        granted, _, wait, *_ = rows[-1]
        self.asked = len(rows)
        if granted or self.asked > len(_OF_ADDRESS):
            return _user_of_row(fields, app), not granted
        security_event("excess_rate_limit_exceeded", self.request, limit="login")
        raise limits.TooManyRequests(wait)

    def _limits(self, *names: str) -> list[tuple[limits.Limit, str]]:
        return [(limits.limit(name), self.whose[name]) for name in names]

    def _tell_failure(self, user: User | None, *, is_right: bool, is_locked: bool) -> None:
        event = "authn_login_lock" if is_locked else "authn_login_fail"
        reason = "unknown" if user is None else "password" if not is_right else "locked" if is_locked else "inactive"
        security_event(event, self.request, account=user.pk if user else None, reason=reason)


def _user_of_row(fields: list[Any], app: int | None) -> User | None:
    if fields[_ACCOUNT_COLUMNS.index("id")] is None:
        return None
    user: User = User.from_db(connection.alias, _ACCOUNT_COLUMNS, fields)
    if app is None:
        user.second_factor = None  # known by now: `log_in` and the admin site needn't ask again
    return user


class SecondFactorRefused(AuthenticationFailed):
    """401 after a right password; its code says which step is missing."""


def require_second_factor(request: HttpRequest, user: User, code: str | None) -> None:
    """Let this account, whose password was right, go on with a code of its second factor, or where it needs none.

    Raises SecondFactorRefused. A wrong code counts as a wrong password does, besides the pauses of the device.
    """
    if user.second_factor is None:
        if settings.SECOND_FACTOR == "required" and user.is_staff:
            raise SecondFactorRefused(_SET_UP_FIRST, code="second_factor_missing")
        return
    if code is None:
        raise SecondFactorRefused(_CODE_TOO, code="otp_required")
    with transaction.atomic():
        leave(user_id=user.pk)  # the trail names the owner of a recovery code that is used up
        sentence = second_factor.use_code(request, user, code)
    if sentence:
        limits.give_back(request)  # nothing: the failure stays counted
        raise SecondFactorRefused(sentence, code="otp_invalid")


_CODE_TOO = "This account has a second factor: send a code of its app, or a recovery code, as `otp` too."
_SET_UP_FIRST = "This account needs a second factor: log in to the admin site and set it up there first."


def forget_failures(request: HttpRequest, user: User) -> None:
    """Empty the account's buckets, elsewhere and here, and know this place: its owner has just proved to be its owner.

    The answer gives the browser its mark (`browsers.mark`).
    """
    attempt = _Attempt(request, user.username)
    here, account = attempt._limits(*_OF_ACCOUNT)
    of_address = (here[0], f"{attempt.name} {place_of(request)}")
    limits.take(*((limit, whose, -limit.capacity) for limit, whose in dict.fromkeys([here, of_address, account])))
    browsers.know(request, user)


ADDRESS_LINK = "address link"


def is_own_password(request: HttpRequest, user: User, password: str, *, through: str) -> bool:
    """Whether a caller who is logged in knows the account's password. Raises TooManyRequests after too many wrong ones.

    `through` is what let the caller in: a login, a session, a link to an address. Each has tries of its own, so that a thief
    of one keeps nobody else from a new password. A link has few, since a manager can have it sent to any mailbox.

    Locks the account until the transaction ends, and asks for the hash that it has then: without it, a thief who knows
    the old password could overwrite one that the owner chooses by link at the same moment. A refusal must be answered,
    not raised: the count is in the transaction of the request.
    """
    tries = (limits.limit("address_link" if through == ADDRESS_LINK else "own_password"), f"{user.pk} {through}")
    with as_login_role():
        present = User.objects.select_for_update(no_key=True).values_list("password", flat=True).get(pk=user.pk)
        (taken,) = limits.take((*tries, 1))
    user.password = present
    if not taken.granted:
        security_event("excess_rate_limit_exceeded", request, limit="own_password")
        raise limits.TooManyRequests(taken.wait)
    with as_login_role():
        is_right = user.check_password(password)
        if is_right:
            limits.take((*tries, -1))
    if is_right:
        return True
    security_event("authn_password_change_fail", request, account=user.pk)
    return False
