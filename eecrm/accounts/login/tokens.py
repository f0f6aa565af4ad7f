"""JWTs of a login: an access token for ten minutes, a refresh token that is exchanged once (RFC 8725, RFC 9700)."""

import time
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import jwt
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Least
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
from api.requests.client_address import neighbourhood

RETRY = timedelta(seconds=30)  # a phone that lost the answer to its refresh may ask again for so long
OLDEST = timedelta(days=30)  # however often it is refreshed
# Seconds by which the clock that issued a token may be ahead of ours, for the provider's tokens and our own: clocks that
# are kept by NTP differ by milliseconds, one that has just resumed or lost its source by seconds. Nobody gains by it, for
# a token doesn't exist before it is signed. It says nothing of `exp`: a token of ours ends in its second on each server.
LEEWAY = 30


class Pair(NamedTuple):
    access: str
    refresh: str


class Claims(NamedTuple):
    """What a valid token says: which login it belongs to, whose that is, and which token it is."""

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
    """simplejwt's backend with a `kid` in each header: it chooses the key, and the key the algorithm (RFC 8725, 3.1)."""

    def encode(self, payload: dict[str, Any]) -> str:
        key = settings.JWT_KEYS.present
        claims = payload | {"iss": self.issuer, "aud": self.audience}
        return jwt.encode(claims, key.signing, algorithm=key.algorithm, headers={"kid": key.kid})

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        """The claims of a token of ours, which is always verified. Raises TokenBackendError."""
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
    """The claims of a token that we signed for this use. Raises InvalidToken for any other text, or once it has expired."""
    try:
        claims, expires_at = _verified(settings.JWT_KEYS, token_class, text)  # type: ignore[arg-type]  # Token hides __hash__
    except (TokenError, KeyError, ValueError, TypeError, OverflowError, AttributeError, RecursionError):
        raise InvalidToken from None
    if expires_at <= time.time():
        raise InvalidToken
    return claims


@lru_cache(maxsize=4096)
def _verified(ring: KeyRing, token_class: Any, text: str) -> tuple[Claims, int]:
    """The claims of a text whose signature holds, and when it expires: true of it as long as the keys are, so checked once."""
    payload = token_class(text).payload
    user = payload["user_id"]
    if not isinstance(user, str) or not user.isascii() or not user.isdigit() or not 0 < int(user) < 2**63:
        raise ValueError(user)
    return Claims(UUID(payload["sid"]), int(user), UUID(payload["jti"])), int(payload["exp"])


def _signed(token: simplejwt.Token, session: TokenSession, **claims: Any) -> str:
    # simplejwt's constructor chose id, issue time and expiry; what the session knows replaces them.
    token.payload |= {"sid": str(session.pk), "user_id": str(session.user_id), **claims}
    return str(token)


def _token_pair(session: TokenSession) -> Pair:
    """Both tokens of the session as it stands. The refresh token is the same one each time until it is rotated."""
    refresh = _signed(
        RefreshToken(),
        session,
        jti=session.refresh_jti.hex,
        iat=datetime_to_epoch(session.rotated_at),
        exp=datetime_to_epoch(session.expires_at),
    )
    return Pair(access=_signed(AccessToken(), session), refresh=refresh)


# One statement, which needs no transaction around it. Its triggers come last, and find whose login the trail tells of.
# `seen` locks the account: it waits for a change that is under way and then compares again, and a change that comes later
# ends the session that was made here (trigger account_ends_sessions). The second factor is compared after the lock, by a
# function, because the statement itself would see the other table as it was when the statement began.
_LOG_IN = f"""
    WITH told AS MATERIALIZED (SELECT set_config('eecrm.user_id', %s, true), {ORIGIN_SETTINGS}),
         seen AS (UPDATE accounts_user SET last_login = %s
                   WHERE id = %s AND password = %s AND role = %s AND is_superuser = %s AND logins_ended = %s AND is_active
                  RETURNING id),
         known AS (INSERT INTO accounts_knownplace (user_id, place, used_at) SELECT id, %s, now() FROM seen
                   ON CONFLICT (user_id, place) DO UPDATE SET used_at = now())
    INSERT INTO accounts_tokensession
           (user_id, id, refresh_jti, rotated_at, created_at, expires_at, user_agent, address)
    SELECT seen.id, %s, %s, %s, %s, %s, %s, %s FROM told, seen
     WHERE second_factor_of(seen.id) IS NOT DISTINCT FROM %s
"""


def log_in(user: User, *, user_agent: str = "", address: str | None = None) -> Pair:
    """A new login, and its first tokens. The login role's; it notes when and from where the account was here.

    Raises LoginRefused where the account isn't any more what was checked: its password, role, activity, second factor; and
    where all its logins were ended meanwhile.
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
    factor = user.second_factor.pk if user.second_factor else None
    with connection.cursor() as cursor:
        cursor.execute(_LOG_IN, [str(user.pk), *origin.get(), now, *checked, neighbourhood(address), *row, factor])
        if not cursor.rowcount:
            raise LoginRefused
    return _token_pair(session)


class Reused(NamedTuple):
    """A refresh token that had been exchanged before: its login is over."""

    user: int


def refresh(text: str, *, address: str | None = None) -> Pair | Reused:
    """Exchange a refresh token; Reused, and the login is over, where it had been exchanged before.

    One UPDATE is the race: of any number of requests with one token, one rotates it. The others, and a phone that lost
    the answer, get the same successor for 30 seconds (`api.md`, Tokens). Raises InvalidToken.
    """
    claims = read_token(RefreshToken, text)
    now: datetime = aware_utcnow()
    # Not `user__is_active`: Django would join, and find the row in a subquery that PostgreSQL doesn't ask again after
    # waiting for another exchange, so that several would win.
    active = User.objects.active().filter(pk=claims.user)
    mine = TokenSession.objects.open().filter(pk=claims.session, user__in=active)
    with transaction.atomic():
        mine.filter(refresh_jti=claims.jti).update(
            previous_jti=claims.jti,
            refresh_jti=uuid4(),
            rotated_at=now,
            address=address,
            expires_at=Least(Value(now + api_settings.REFRESH_TOKEN_LIFETIME), F("created_at") + OLDEST),
        )
        session = mine.first()
    if session is None:
        raise InvalidToken
    if session.previous_jti == claims.jti and now - session.rotated_at < RETRY:
        return _token_pair(session)
    with transaction.atomic():
        leave(user_id=claims.user)
        mine.revoke()
    return Reused(claims.user)


def log_out(text: str) -> int:
    """End the login that this refresh token belongs to; the account that it is of. Raises InvalidToken."""
    claims = read_token(RefreshToken, text)
    with transaction.atomic():
        leave(user_id=claims.user)  # whom the trail names
        TokenSession.objects.filter(pk=claims.session, user=claims.user).revoke()
    return claims.user
