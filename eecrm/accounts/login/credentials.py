"""Password checks with rate limits: every failure gets the same answer after the same work.

The limits are checked before the password is hashed, because hashing is expensive. Each failure counts in three limits:
- the limit of the IP address;
- the limit of the account at this IP address;
- the general limit of the account, for all IP addresses together.
A username counts in its normalised spelling, even if no account has this username.

No caller can lock a colleague out (`security.md` 34). If the limit of an account at one IP address is used up, further
requests from there don't count in the account's general limit. The limit at one IP address refills more slowly than the
general limit. So requests from one IP address never use up the general limit. A known place is an IP address or browser
in which the account has logged in. At a known place only the failures at this place count. After the owner has chosen a
password by link, `forget_failures` resets the account's limits.
"""

import logging
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.http import HttpRequest
from rest_framework.exceptions import AuthenticationFailed

from access.compiled_queries import InstanceStatement, Slot
from access.database import as_login_role, leave
from access.security_log import security_event
from accounts.admin_login import second_factor
from accounts.login import browsers
from accounts.models import User, normalise_username
from accounts.passwords.validators import is_too_long
from api.requests import limits
from api.requests.client_address import place_of

_NO_PASSWORD = "!"  # an unusable hash: its check in Django takes as long as that of a real hash


def account_for(request: HttpRequest, *, username: str, password: str) -> User | None:
    """Returns the active account with this username and password, or None.

    Raises TooManyRequests if the IP address of the request has used up its limit.
    """
    if is_too_long(password):
        return None
    return _Attempt(request, username).account_for(password)


class AccountBackend(ModelBackend):
    """Authentication backend of the admin site, with the same login limits as the API."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """Returns the account, or None if the username or the password is wrong.

        If the IP address of the request has used up its limit, stores the seconds to wait in `request.login_wait`
        and raises PermissionDenied.
        """
        if request is None or username is None or password is None:
            return None
        try:
            return account_for(request, username=username, password=password)
        except limits.TooManyRequests as refusal:
            request.login_wait = refusal.wait  # type: ignore[attr-defined]  # the login form shows the seconds
            raise PermissionDenied from None

    def get_user(self, user_id: int) -> User | None:
        """Returns the active account of a session, with the password's hash.

        Django then compares this hash with the hash in the session. If the hash weren't loaded, Django would read
        the account a second time.
        """
        user = _account_query().first({"user": user_id})
        return user if user is not None and user.is_active else None


@cache
def _account_query() -> InstanceStatement:
    return InstanceStatement.of(User.objects.defer(None).filter(pk=Slot("user")).order_by())


# If a limit of _ADDRESS_LIMITS is used up, the attempt is refused with 429.
# If a limit of _ACCOUNT_LIMITS is used up, the account is locked out.
# The limits are checked in order. If a limit refuses an attempt, the later limits don't count this attempt.
# So one IP address can't use up the limit of an account.
_ADDRESS_LIMITS, _ACCOUNT_LIMITS = ("login", "login_failed_address"), ("login_failed_here", "login_failed_account")
_LOGIN_LIMITS = _ADDRESS_LIMITS + _ACCOUNT_LIMITS

# All columns are listed, because the default queryset leaves out the password hash.
_ACCOUNT_COLUMNS = [field.attname for field in User._meta.concrete_fields]
_SELECTED_COLUMNS = ", ".join(f"account.{name}" for name in _ACCOUNT_COLUMNS)
# A login runs this statement before the password is hashed. It counts the attempt, and reads the account.
# The result has one row for each limit in which the attempt was counted. The first row contains the account.
# At a known place (IP address or browser of an earlier login), the limit `login_failed_account` counts nothing.
_TAKE_LOGIN_LIMITS = f"""
    SELECT granted, remaining, wait, second_factor_of(account.id), {_SELECTED_COLUMNS}
      FROM take_limits((%s::text[])[: {len(_LOGIN_LIMITS)} - (
               SELECT count(*) FROM accounts_knownplace JOIN accounts_user AS visitor ON visitor.id = user_id
                WHERE visitor.username = %s AND place = %s)], %s, %s, %s) WITH ORDINALITY
      LEFT JOIN accounts_user AS account ON ordinality = 1 AND account.username = %s
     ORDER BY ordinality
"""


class _Attempt:
    def __init__(self, request: HttpRequest, username: str) -> None:
        self.request, self.name = request, normalise_username(username)
        self.place = browsers.place_for(request, self.name)
        self.limits_taken = len(_LOGIN_LIMITS)
        self.limit_keys = {
            "login": place_of(request),  # counts attempts for any username, because each costs the same hashing
            "login_failed_address": self.place,
            "login_failed_here": f"{self.name} {self.place}",
            "login_failed_account": self.name,
        }

    def account_for(self, password: str) -> User | None:
        user, is_locked = self._take_limits()
        is_right = (user or User(password=_NO_PASSWORD)).check_password(password)
        if user is None or not is_right or is_locked or not user.is_active:
            self._log_failure(user, is_right=is_right, is_locked=is_locked)
            return None
        limits.give_back(self.request, *self._limits(*_LOGIN_LIMITS[1 : self.limits_taken]))
        security_event(
            "authn_login_success", self.request, level=logging.INFO, account=user.pk, role=user.effective_role
        )
        return user

    def _take_limits(self) -> tuple[User | None, bool]:
        """Counts an attempt in the login limits. Returns the account, and True if the account is locked out.

        The account is None if the username is unknown. A locked-out account gets the same answer as a wrong
        password, after the same work. Raises TooManyRequests if a limit of the IP address is used up.
        """
        buckets, *rest = limits.arguments(*((limit, key, 1) for limit, key in self._limits(*_LOGIN_LIMITS)))
        with connection.cursor() as cursor:
            cursor.execute(_TAKE_LOGIN_LIMITS, [buckets, self.name, self.place, *rest, self.name])
            rows = cursor.fetchall()
        _, _, _, device_id, *fields = rows[0]
        granted, _, wait, *_ = rows[-1]
        self.limits_taken = len(rows)
        if granted or self.limits_taken > len(_ADDRESS_LIMITS):
            return _user_of_row(fields, device_id), not granted
        security_event("excess_rate_limit_exceeded", self.request, limit="login")
        raise limits.TooManyRequests(wait)

    def _limits(self, *names: str) -> list[tuple[limits.Limit, str]]:
        return [(limits.limit(name), self.limit_keys[name]) for name in names]

    def _log_failure(self, user: User | None, *, is_right: bool, is_locked: bool) -> None:
        event = "authn_login_lock" if is_locked else "authn_login_fail"
        reason = "unknown" if user is None else "password" if not is_right else "locked" if is_locked else "inactive"
        security_event(event, self.request, account=user.pk if user else None, reason=reason)


def _user_of_row(fields: list[Any], device_id: int | None) -> User | None:
    if fields[_ACCOUNT_COLUMNS.index("id")] is None:
        return None
    user: User = User.from_db(connection.alias, _ACCOUNT_COLUMNS, fields)
    if device_id is None:
        user.second_factor = None  # cached: `log_in` and the admin site then need no query for the second factor
    return user


class SecondFactorRefused(AuthenticationFailed):
    """Error 401 after a right password, because the second factor is missing or wrong.

    The error's code names the missing step.
    """


def require_second_factor(request: HttpRequest, user: User, code: str | None) -> None:
    """Checks the second factor of an account whose password was right.

    Raises SecondFactorRefused if the code is missing or wrong. An account without a second factor passes, unless
    its role requires one (setting SECOND_FACTOR). A wrong code counts like a wrong password. In addition,
    django_otp makes the user pause after a wrong code.
    """
    if user.second_factor is None:
        if settings.SECOND_FACTOR == "required" and user.is_staff:
            raise SecondFactorRefused(_SET_UP_FIRST, code="second_factor_missing")
        return
    if code is None:
        raise SecondFactorRefused(_CODE_TOO, code="otp_required")
    with transaction.atomic():
        leave(user_id=user.pk)  # makes the audit trail record the owner as the actor if a recovery code is used
        sentence = second_factor.use_code(request, user, code)
    if sentence:
        # After the right password, `account_for` marked this attempt to be given back to the limits.
        # This call removes the mark, so that the wrong code stays counted as a failure.
        limits.give_back(request)
        raise SecondFactorRefused(sentence, code="otp_invalid")


_CODE_TOO = "This account has a second factor: send a code of its app, or a recovery code, as `otp` too."
_SET_UP_FIRST = "This account needs a second factor: log in to the admin site and set it up there first."


def forget_failures(request: HttpRequest, user: User) -> None:
    """Resets the account's login limits after the owner has chosen a password by link.

    Also stores the IP address and the browser of the request as known places. The caller sets the browser's cookie on
    the response (`browsers.mark`).

    The limits are reset after the response, when this request no longer locks the account. Otherwise this request and a
    login could deadlock, because a login locks the limits first and then the account.
    """
    attempt = _Attempt(request, user.username)
    here, account = attempt._limits(*_ACCOUNT_LIMITS)
    of_address = (here[0], f"{attempt.name} {place_of(request)}")
    limits.give_all_back(request, *dict.fromkeys([here, of_address, account]))
    browsers.know(request, user)


def count_own_change(request: HttpRequest, user: User, limit: str) -> None:
    """Counts a change of the caller's own account in this rate limit. Raises TooManyRequests if it is used up."""
    with as_login_role():
        (taken,) = limits.take((limits.limit(limit), str(user.pk), 1))
    if not taken.granted:
        security_event("excess_rate_limit_exceeded", request, limit=limit)
        raise limits.TooManyRequests(taken.wait)


ADDRESS_LINK = "address link"


def is_own_password(request: HttpRequest, user: User, password: str, *, through: str) -> bool:
    """Returns True if `password` is the password of the logged-in caller's account.

    Raises TooManyRequests after too many wrong passwords.

    `through` is the way by which the caller came in: a login, a session, or a link that was mailed. Wrong passwords are
    counted separately for each way. So a thief of one login can't keep the owner from choosing a new password
    elsewhere. The limit for a mailed link is lower, because a manager can have such a link sent to any mailbox.

    Locks the account's row until the transaction ends, and checks the current hash. Without the lock, a thief who knows
    the old password could overwrite a password that the owner chooses by link at the same moment.

    The view must return its refusal of a wrong password. An exception would roll back the count of wrong passwords.
    """
    tries = (limits.limit("address_link" if through == ADDRESS_LINK else "own_password"), f"{user.pk} {through}")
    with as_login_role():
        current_hash = User.objects.select_for_update(no_key=True).values_list("password", flat=True).get(pk=user.pk)
        (taken,) = limits.take((*tries, 1))
    user.password = current_hash
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
