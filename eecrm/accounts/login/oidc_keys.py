"""The public keys of the identity provider, as this process last read them at OIDC_JWKS_URL (RFC 7517).

Not PyJWT's client: it holds its lock for as long as the provider takes to answer, and fetches anew for each unknown key id.
"""

import json
import logging
from http.client import HTTPException
from threading import Lock
from time import monotonic
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, build_opener

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.conf import settings
from jwt.algorithms import RSAAlgorithm
from rest_framework.exceptions import APIException

from accounts.login.signing_keys import RSA_BITS
from accounts.login.tokens import InvalidToken

log = logging.getLogger("eecrm.oidc")

# Seconds.
FRESH = 5 * 60  # then they are read again, and a key that the provider took back is no longer believed
PAUSE = 30  # between two tries, whoever asks for whatever key
# Without the provider nobody can tell whether a key was taken back. A day outlasts its outages; no stolen key lives longer.
BELIEVED = 24 * 60 * 60
FETCH_TIMEOUT_SECONDS = 2  # to connect, for each wait, and for the body as a whole
MAX_JWKS_BYTES = 256 * 1024  # bytes


class ProviderUnavailable(APIException):
    """503 and not 401, which would have phones throw away tokens that are good: nobody could look at them."""

    status_code = 503
    default_detail = "The keys of the identity provider can't be read: try again in a moment."
    default_code = "unavailable"


class _NoRedirects(HTTPRedirectHandler):
    """OIDC_JWKS_URL is where the keys are; nobody else says where."""

    def redirect_request(self, *_: Any) -> None:
        return None


_opener = build_opener(_NoRedirects)
# Some providers' gateways turn urllib's own name away.
_opener.addheaders = [("User-Agent", "epic-events-crm"), ("Accept", "application/json")]


class _Known(NamedTuple):
    keys: dict[str, RSAPublicKey]
    read_at: float


class ProviderKeys:
    """The keys by their id. One request at a time may fetch; the others go by what is known, and don't wait."""

    def __init__(self) -> None:
        self._known = _Known({}, float("-inf"))
        self._tried_at = float("-inf")
        self._fetching = Lock()

    def key(self, kid: str) -> RSAPublicKey:
        """Raises InvalidToken for a key that isn't the provider's, ProviderUnavailable where none is known."""
        known = self._known
        if kid not in known.keys or monotonic() - known.read_at > FRESH:
            self._refresh()
            known = self._known
        if monotonic() - known.read_at > BELIEVED:
            raise ProviderUnavailable
        if kid not in known.keys:
            raise InvalidToken
        return known.keys[kid]

    def _refresh(self) -> None:
        if not self._fetching.acquire(blocking=False):
            return
        try:
            now = monotonic()
            if now - self._tried_at < PAUSE:
                return
            self._tried_at = now
            self._known = _Known(_usable(_fetch(settings.OIDC_JWKS_URL)), now)
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            log.warning("the keys of the identity provider can't be read: %s", error)
        finally:
            self._fetching.release()


provider_keys = ProviderKeys()


def _fetch(url: str) -> Any:
    """The JSON at this address. Raises OSError, HTTPException, ValueError or RecursionError."""
    deadline, body = monotonic() + FETCH_TIMEOUT_SECONDS, b""
    try:
        with _opener.open(url, timeout=FETCH_TIMEOUT_SECONDS) as answer:
            while part := answer.read1(MAX_JWKS_BYTES):
                body += part
                if len(body) > MAX_JWKS_BYTES or monotonic() > deadline:
                    raise ValueError("the answer is too large or too slow")
    except HTTPError as error:
        error.close()
        raise
    return json.loads(body)


def _usable(document: Any) -> dict[str, RSAPublicKey]:
    """The RSA keys of a set that are for signatures and long enough. Raises ValueError where there is none."""
    members = document.get("keys") if isinstance(document, dict) else None
    keys = {}
    for jwk in members if isinstance(members, list) else []:
        if isinstance(jwk, dict) and isinstance(jwk.get("kid"), str) and (key := _rsa(jwk)):
            keys[jwk["kid"]] = key
    if not keys:
        raise ValueError("the answer holds no usable key")
    return keys


def _rsa(jwk: dict[str, Any]) -> RSAPublicKey | None:
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", "RS256") != "RS256":
        return None
    try:
        key = RSAAlgorithm.from_jwk({name: jwk.get(name) for name in ("kty", "n", "e")})
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return key if isinstance(key, RSAPublicKey) and key.key_size >= RSA_BITS else None
