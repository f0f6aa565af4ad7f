"""Access tokens of an outside identity provider: AWS Cognito, or any issuer of OpenID Connect (RFC 9068, RFC 8725).

A token chooses nothing: its keys are those of OIDC_JWKS_URL (`jku`, `jwk` and `x5u` are never looked at), its algorithm is RS256.
"""

import re
from functools import lru_cache
from typing import Any, NamedTuple

import jwt
from django.conf import settings

from accounts.login.oidc_keys import provider_keys
from accounts.login.tokens import LEEWAY, InvalidToken

ALGORITHM = "RS256"
TYPES_OF_ACCESS = ("at+jwt", "application/at+jwt")
TYPES = ("jwt", *TYPES_OF_ACCESS)
SUBJECT = re.compile(r"[!-~]{1,255}")  # OpenID Connect Core, section 2; a constraint says so too
# Claims that only an ID token has: it tells a front-end who somebody is, and is no key to an API.
OF_ID_TOKENS = {"nonce", "at_hash", "c_hash"}


class Identity(NamedTuple):
    """Whom the provider vouches for, and since when: seconds since 1970."""

    issuer: str
    subject: str
    issued_at: int


def is_from_provider(text: str) -> bool:
    """Whether a token claims to be the provider's: then it is read as such, and as nothing else."""
    return bool(settings.OIDC_ISSUER) and _claimed_issuer(text) == settings.OIDC_ISSUER


@lru_cache(maxsize=1024)
def _claimed_issuer(text: str) -> Any:
    try:
        return jwt.decode(text, options={"verify_signature": False}).get("iss")
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None


def read_provider_token(text: str) -> Identity:
    """Whom a token of the provider is about. Raises InvalidToken, and ProviderUnavailable where no keys are known."""
    try:
        header = jwt.get_unverified_header(text)
        # Where the provider types its access tokens, what isn't one is an ID token.
        types = TYPES_OF_ACCESS if settings.OIDC_TYPED_TOKENS else TYPES
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
    return claims.get("token_use", "access") == "access" and OF_ID_TOKENS.isdisjoint(claims)


def _is_for_us(claims: dict[str, Any]) -> bool:
    """Cognito's access tokens name a `client_id` and no `aud`; everybody else's say whom they are for."""
    named = claims["aud"] if "aud" in claims else claims.get("client_id")
    return any(name in settings.OIDC_CLIENT_IDS for name in (named if isinstance(named, list) else [named]))


def _is_sound(claims: dict[str, Any]) -> bool:
    """PyJWT takes digits in a text for a moment (RFC 7519, section 2, doesn't), and any text for a subject."""
    moments = all(type(claims[name]) in (int, float) and claims[name] >= 0 for name in ("exp", "iat"))
    return moments and SUBJECT.fullmatch(claims["sub"]) is not None
