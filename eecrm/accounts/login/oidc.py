"""Access tokens of an external identity provider: AWS Cognito, or any OpenID Connect issuer (RFC 9068, RFC 8725).

Keys come only from OIDC_JWKS_URL, and the only algorithm is RS256. The header of a token can't choose another key
(`jku`, `jwk` and `x5u` are ignored) or another algorithm.
"""

import re
from functools import lru_cache
from typing import Any, NamedTuple

import jwt
from django.conf import settings

from accounts.login.oidc_keys import provider_keys
from accounts.login.tokens import LEEWAY, InvalidToken

ALGORITHM = "RS256"
ACCESS_TOKEN_TYPES = ("at+jwt", "application/at+jwt")
TOKEN_TYPES = ("jwt", *ACCESS_TOKEN_TYPES)
# Format of a subject (OpenID Connect Core, section 2). A database constraint of ExternalIdentity requires it, too.
SUBJECT = re.compile(r"[!-~]{1,255}")
# Claims that only an ID token has. An ID token describes a user to a front-end and gives no access to an API.
ID_TOKEN_CLAIMS = {"nonce", "at_hash", "c_hash"}


class Identity(NamedTuple):
    """Issuer and subject of a provider's token, which identify a user, and its issue time (seconds since 1970)."""

    issuer: str
    subject: str
    issued_at: int


def is_from_provider(text: str) -> bool:
    """Returns True if a token names the provider as its issuer.

    Such a token is checked only with the provider's keys, never with our own.
    """
    return bool(settings.OIDC_ISSUER) and _claimed_issuer(text) == settings.OIDC_ISSUER


@lru_cache(maxsize=1024)
def _claimed_issuer(text: str) -> Any:
    try:
        return jwt.decode(text, options={"verify_signature": False}).get("iss")
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None


def read_provider_token(text: str) -> Identity:
    """Checks a token of the provider, and returns the identity in it.

    Raises InvalidToken if the token isn't valid, and ProviderUnavailable if the provider's keys can't be read.
    """
    try:
        header = jwt.get_unverified_header(text)
        # With OIDC_TYPED_TOKENS, a token is an access token only if the field `typ` of its header says at+jwt.
        # With OIDC_TYPED_TOKENS, a token without at+jwt in `typ` counts as an ID token, which gives no access.
        types = ACCESS_TOKEN_TYPES if settings.OIDC_TYPED_TOKENS else TOKEN_TYPES
        if str(header.get("typ", "JWT")).lower() not in types:
            raise InvalidToken
        claims = jwt.decode(
            text,
            provider_keys.key(header["kid"]),
            algorithms=[ALGORITHM],
            issuer=settings.OIDC_ISSUER,
            leeway=LEEWAY,
            options={"require": ["exp", "iat", "sub", "iss"], "verify_aud": False},
        )
    except (KeyError, jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        raise InvalidToken from None
    if not (_is_access(claims) and _is_for_us(claims) and _is_sound(claims)):
        raise InvalidToken
    return Identity(claims["iss"], claims["sub"], int(claims["iat"]))


def _is_access(claims: dict[str, Any]) -> bool:
    return claims.get("token_use", "access") == "access" and ID_TOKEN_CLAIMS.isdisjoint(claims)


def _is_for_us(claims: dict[str, Any]) -> bool:
    """Returns True if the token's audience contains one of OIDC_CLIENT_IDS.

    An access token of Cognito has no `aud`. Its member `client_id` holds the audience.
    """
    audience = claims["aud"] if "aud" in claims else claims.get("client_id")
    names = audience if isinstance(audience, list) else [audience]
    return any(name in settings.OIDC_CLIENT_IDS for name in names)


def _is_sound(claims: dict[str, Any]) -> bool:
    """Returns True if the claims pass two checks that PyJWT doesn't make.

    PyJWT accepts a time as text, although RFC 7519 (section 2) forbids that. PyJWT also accepts any text as
    subject.
    """
    has_valid_times = all(type(claims[name]) in (int, float) and claims[name] >= 0 for name in ("exp", "iat"))
    return has_valid_times and SUBJECT.fullmatch(claims["sub"]) is not None
