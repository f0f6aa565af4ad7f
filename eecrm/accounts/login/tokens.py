"""JWTs of a login: an access token for ten minutes, and a refresh token that works once (RFC 8725, RFC 9700)."""

import time
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import jwt
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Least, Now
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt import tokens as simplejwt
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.utils import aware_utcnow, datetime_to_epoch

from access.database import ORIGIN_SETTINGS, leave, origin
from accounts.login.signing_keys import KeyRing
from accounts.models import TokenSession, User
from accounts.models.session import MAX_KNOWN_ADDRESSES, MAX_OPEN_LOGINS
from api.requests.client_address import neighbourhood

REFRESH_RETRY_WINDOW = timedelta(seconds=30)  # time in which an API client may repeat a refresh after a lost response
MAX_LOGIN_DURATION = timedelta(days=30)  # a login ends after this time, even if it is refreshed all the time
# Seconds by which an issuer's clock may be ahead of ours, for the provider's tokens and for our own tokens.
# Clocks under NTP differ by milliseconds. A clock that has just resumed or lost its source differs by seconds.
# With the leeway, a token is accepted although its issue time is still in the future by our clock.
# An attacker gains nothing from this, because nobody has a token before its issuer signs it.
# `read_token` checks the expiry (`exp`) of our own tokens without leeway.
LEEWAY = 30


class Pair(NamedTuple):
    access: str
    refresh: str


class Claims(NamedTuple):
    """Claims of a valid token: its login (`session`), its account (`user`), and its own id (`jti`)."""

    session: UUID
    user: int
    jti: UUID


class InvalidToken(AuthenticationFailed):
    default_detail = "This token is invalid, expired or revoked: log in again."
    default_code = "token_invalid"


class LoginRefused(AuthenticationFailed):
    default_detail = (
        "No active account has this username and password, or it rests for some minutes after too many failed tries."
    )
    default_code = "login_failed"


class KeyRingBackend(TokenBackend):
    """simplejwt's token backend, with a key id (`kid`) in the header of each token.

    The `kid` chooses the key, and the key decides the algorithm (RFC 8725, section 3.1).
    """

    def encode(self, payload: dict[str, Any]) -> str:
        key = settings.JWT_KEYS.present
        claims = payload | {"iss": self.issuer, "aud": self.audience}
        return jwt.encode(claims, key.signing, algorithm=key.algorithm, headers={"kid": key.kid})

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        """Returns the claims of one of our tokens. Verifies the signature even if `verify` is False.

        Raises TokenBackendError if the token is invalid.
        """
        try:
            key = settings.JWT_KEYS.believed[jwt.get_unverified_header(token)["kid"]]
            return jwt.decode(
                token,
                key.verifying,
                algorithms=[key.algorithm],
                audience=self.audience,
                issuer=self.issuer,
                leeway=LEEWAY,
            )
        except (KeyError, jwt.PyJWTError) as error:
            raise TokenBackendError("Token is invalid") from error


_backend = KeyRingBackend("HS256", audience=api_settings.AUDIENCE, issuer=api_settings.ISSUER)


class AccessToken(simplejwt.AccessToken):
    _token_backend = _backend


class RefreshToken(simplejwt.RefreshToken):
    _token_backend = _backend


def read_token(token_class: type[simplejwt.Token], text: str) -> Claims:
    """Returns the claims of an access token or refresh token (`token_class`) that we signed.

    Raises InvalidToken for any other text, and after the token's expiry.
    """
    try:
        # mypy complains, because simplejwt's Token hides __hash__, which the cache needs.
        claims, expires_at = _verified_claims(settings.JWT_KEYS, token_class, text)  # type: ignore[arg-type]
    except (TokenError, KeyError, ValueError, TypeError, OverflowError, AttributeError, RecursionError):
        raise InvalidToken from None
    if expires_at <= time.time():
        raise InvalidToken
    return claims


@lru_cache(maxsize=4096)
def _verified_claims(ring: KeyRing, token_class: Any, text: str) -> tuple[Claims, int]:
    """Returns the claims and the expiry (seconds since 1970) of a token whose signature is right.

    The result is cached, because it stays the same as long as the keys are the same.
    """
    payload = token_class(text).payload
    user = payload["user_id"]
    if not isinstance(user, str) or not user.isascii() or not user.isdigit() or not 0 < int(user) < 2**63:
        raise ValueError(user)
    return Claims(UUID(payload["sid"]), int(user), UUID(payload["jti"])), int(payload["exp"])


def _signed(token: simplejwt.Token, session: TokenSession, **claims: Any) -> str:
    # simplejwt's constructor sets the token's id, issue time and expiry. `claims` may replace these values.
    token.payload |= {"sid": str(session.pk), "user_id": str(session.user_id), **claims}
    return str(token)


def _token_pair(session: TokenSession) -> Pair:
    """Returns the access token and the refresh token of a login.

    The refresh token stays the same until the login is refreshed.
    """
    refresh = _signed(
        RefreshToken(),
        session,
        jti=session.refresh_jti.hex,
        # Not `rotated_at`, because PostgreSQL's clock may be ahead of ours: we would refuse the token as issued later.
        iat=datetime_to_epoch(session.expires_at - api_settings.REFRESH_TOKEN_LIFETIME),
        exp=datetime_to_epoch(session.expires_at),
    )
    return Pair(access=_signed(AccessToken(), session), refresh=refresh)


# A login is one SQL statement, so it needs no transaction around the statement.
# The subquery `origin` sets `eecrm.user_id` to the account's key.
# Triggers, which run at the end of the statement, write this account to the audit trail as the actor.
#
# The subquery `account` locks the account's row. If another transaction holds the lock, this statement waits.
# After waiting for the lock, PostgreSQL checks the WHERE conditions again, now on the changed row of the account.
# A later change of the account ends the login that this statement inserts (trigger account_ends_sessions).
# The function `second_factor_of` reads the second factor after the lock.
# A subquery would see the second factor as it was when the statement began.
#
# The subqueries `forgotten` and `ended` limit the number of known places and open logins of an account.
# Without a limit, an attacker who knows the password could create any number of known places and logins.
# With too many logins, the statement that ends all logins of an account would exceed its timeout.
_LOG_IN = f"""
    WITH origin AS MATERIALIZED (SELECT set_config('eecrm.user_id', %s, true), {ORIGIN_SETTINGS}),
         account AS (UPDATE accounts_user SET last_login = %s
                      WHERE id = %s AND password = %s AND role = %s AND is_superuser = %s AND logins_ended = %s
                        AND is_active
                     RETURNING id),
         known_place AS (INSERT INTO accounts_knownplace (user_id, place, used_at) SELECT id, %s, now() FROM account
                         ON CONFLICT (user_id, place) DO UPDATE SET used_at = now()),
         forgotten AS (DELETE FROM accounts_knownplace WHERE id IN (
                           SELECT id FROM accounts_knownplace
                            WHERE user_id = (SELECT id FROM account) AND place <> %s AND place NOT LIKE 'browser %%'
                            ORDER BY used_at DESC, id DESC OFFSET {MAX_KNOWN_ADDRESSES - 1})),
         ended AS (UPDATE accounts_tokensession SET revoked_at = now() WHERE id IN (
                       SELECT id FROM accounts_tokensession
                        WHERE user_id = (SELECT id FROM account) AND revoked_at IS NULL
                        ORDER BY created_at DESC, id OFFSET {MAX_OPEN_LOGINS - 1}))
    INSERT INTO accounts_tokensession
           (user_id, id, refresh_jti, rotated_at, created_at, expires_at, user_agent, address)
    SELECT account.id, %s, %s, %s, %s, %s, %s, %s FROM origin, account
     WHERE second_factor_of(account.id) IS NOT DISTINCT FROM %s
"""


def log_in(user: User, *, user_agent: str = "", address: str | None = None) -> Pair:
    """Starts a login and returns its first tokens. Runs in PostgreSQL's login role (`eecrm_app`).

    Also stores the time of the login, and the IP address of the request as a known place. Ends the oldest login if
    the account has more than MAX_OPEN_LOGINS. Raises LoginRefused if the account's password, role, activity or second
    factor has changed since the password was checked, or if all its logins were ended meanwhile.
    """
    now = timezone.now()
    session = TokenSession(
        id=uuid4(),
        user=user,
        refresh_jti=uuid4(),
        rotated_at=now,
        expires_at=now + api_settings.REFRESH_TOKEN_LIFETIME,
    )
    checked: list[Any] = [user.pk, user.password, user.role, user.is_superuser, user.logins_ended]
    row: list[Any] = [session.pk, session.refresh_jti, now, now, session.expires_at, user_agent[:200], address]
    device_id = user.second_factor.pk if user.second_factor else None
    with connection.cursor() as cursor:
        place = neighbourhood(address)
        cursor.execute(_LOG_IN, [str(user.pk), *origin.get(), now, *checked, place, place, *row, device_id])
        if not cursor.rowcount:
            raise LoginRefused
    return _token_pair(session)


class Reused(NamedTuple):
    """Result of `refresh` if the refresh token was exchanged before. `refresh` has then ended the login."""

    user: int


def refresh(text: str, *, address: str | None = None) -> Pair | Reused:
    """Exchanges a refresh token for new tokens. Raises InvalidToken if the token is invalid or its login has ended.

    For 30 seconds, requests that send the same token again get the same new tokens, for example after a lost response
    (`api.md`, Tokens). After that time, or after the next exchange, a request with the old token ends the login. The
    function then returns Reused.

    If several requests send the same token at the same time, one UPDATE decides: exactly one request exchanges the
    token, and the other requests get the same new tokens.
    """
    claims = read_token(RefreshToken, text)
    now: datetime = aware_utcnow()
    # The filter isn't `user__is_active`, because Django would then put a join into a subquery.
    # After waiting for a concurrent exchange, PostgreSQL doesn't evaluate a subquery again.
    # With `user__is_active` in the filter, several requests would therefore rotate the same token.
    active = User.objects.active().filter(pk=claims.user)
    login_rows = TokenSession.objects.open().filter(pk=claims.session, user__in=active)
    with transaction.atomic():
        login_rows.filter(refresh_jti=claims.jti).update(
            previous_jti=claims.jti,
            refresh_jti=uuid4(),
            rotated_at=Now(),
            address=address,
            expires_at=Least(Value(now + api_settings.REFRESH_TOKEN_LIFETIME), F("created_at") + MAX_LOGIN_DURATION),
        )
        # Only PostgreSQL's clock is the same for all servers. Their own clocks may differ by more than the window.
        session = login_rows.annotate(age=Now() - F("rotated_at")).first()
    if session is None:
        raise InvalidToken
    if session.previous_jti == claims.jti and session.age < REFRESH_RETRY_WINDOW:
        return _token_pair(session)
    with transaction.atomic():
        leave(user_id=claims.user)
        login_rows.revoke()
    return Reused(claims.user)


def log_out(text: str) -> int:
    """Ends the login of a refresh token, and returns the primary key of the login's account.

    Raises InvalidToken if the token is invalid.
    """
    claims = read_token(RefreshToken, text)
    with transaction.atomic():
        leave(user_id=claims.user)  # makes the audit trail name the account
        TokenSession.objects.filter(pk=claims.session, user=claims.user).revoke()
    return claims.user
