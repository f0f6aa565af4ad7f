"""Public keys of the identity provider, read from OIDC_JWKS_URL (RFC 7517) and cached in each process.

PyJWT's own PyJWKClient isn't used: it holds its lock while the provider answers, and fetches the keys again for
each unknown key id.
"""

import json
import logging
import socket
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Lock, Thread, Timer
from time import monotonic
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import HTTPHandler, HTTPRedirectHandler, HTTPSHandler, Request, build_opener

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.conf import settings
from jwt.algorithms import RSAAlgorithm
from rest_framework.exceptions import APIException

from accounts.login.signing_keys import RSA_BITS
from accounts.login.tokens import InvalidToken

log = logging.getLogger("eecrm.oidc")

REFRESH_AFTER_SECONDS = 5 * 60  # after this time the keys are fetched again, to notice withdrawn keys
MIN_FETCH_INTERVAL_SECONDS = 30  # minimum time between two fetches of the provider's keys
# While the provider is unavailable, its cached keys stay accepted for a day, even a withdrawn key.
# One day is longer than an outage of the provider, and short enough to limit the use of a stolen key.
MAX_KEY_AGE_SECONDS = 24 * 60 * 60
FETCH_TIMEOUT_SECONDS = 2  # maximum time that a request waits for the keys, and that one fetch of the keys takes
MAX_JWKS_BYTES = 256 * 1024


class ProviderUnavailable(APIException):
    """Error 503: the token can't be checked, because the provider's keys can't be read.

    The error isn't 401, because apps would then throw valid tokens away.
    """

    status_code = 503
    default_detail = "The keys of the identity provider can't be read: try again in a moment."
    default_code = "unavailable"


class _NoRedirects(HTTPRedirectHandler):
    """Refuses HTTP redirects, so that keys come from OIDC_JWKS_URL and from no other URL."""

    def redirect_request(self, *_: Any) -> None:
        return None


class _CutOff:
    """Connection that ends FETCH_TIMEOUT_SECONDS after it was opened.

    The timeout of urllib is for each single read, so a provider that sends a byte each second could hold a worker.
    """

    sock: Any

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]  # defined by the other base class
        timer = Timer(FETCH_TIMEOUT_SECONDS, _shut_down, [self.sock])
        timer.daemon = True
        timer.start()


def _shut_down(sock: Any) -> None:
    """Ends a connection, so that a thread that is reading from it stops waiting at once.

    Does nothing if the connection is closed already.
    """
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _PlainConnection(_CutOff, HTTPConnection):
    pass


class _TLSConnection(_CutOff, HTTPSConnection):
    pass


class _PlainHandler(HTTPHandler):
    def http_open(self, req: Request) -> Any:
        return self.do_open(_PlainConnection, req)


class _TLSHandler(HTTPSHandler):
    def https_open(self, req: Request) -> Any:
        return self.do_open(_TLSConnection, req)


_opener = build_opener(_NoRedirects, _PlainHandler, _TLSHandler)
# The User-Agent is changed, because the gateways of some providers refuse the default one of urllib.
_opener.addheaders = [("User-Agent", "epic-events-crm"), ("Accept", "application/json")]


class _CachedKeys(NamedTuple):
    keys: dict[str, RSAPublicKey]
    read_at: float


class ProviderKeys:
    """The provider's public keys, found by their key id (`kid`).

    Only one request at a time fetches the keys. Meanwhile other requests use the cached keys and don't wait.
    """

    def __init__(self) -> None:
        self._cached = _CachedKeys({}, float("-inf"))
        self._tried_at = float("-inf")
        self._fetching = Lock()

    def key(self, kid: str) -> RSAPublicKey:
        """Returns the provider's public key with the key id `kid`.

        Raises InvalidToken if the provider doesn't have this key, and ProviderUnavailable if the cached keys are
        too old.
        """
        cached = self._cached
        if kid not in cached.keys or monotonic() - cached.read_at > REFRESH_AFTER_SECONDS:
            self._refresh()
            cached = self._cached
        if monotonic() - cached.read_at > MAX_KEY_AGE_SECONDS:
            raise ProviderUnavailable
        if kid not in cached.keys:
            raise InvalidToken
        return cached.keys[kid]

    def _refresh(self) -> None:
        """Fetches the keys in a thread, and waits for it at most FETCH_TIMEOUT_SECONDS.

        Without the thread, a request could wait much longer: for a name server, and for each IP address of the provider.
        """
        if not self._fetching.acquire(blocking=False):
            return
        now = monotonic()
        if now - self._tried_at < MIN_FETCH_INTERVAL_SECONDS:
            self._fetching.release()
            return
        self._tried_at = now
        fetching = Thread(target=self._fetch_keys, args=[now], daemon=True)
        fetching.start()
        fetching.join(FETCH_TIMEOUT_SECONDS)

    def _fetch_keys(self, now: float) -> None:
        try:
            self._cached = _CachedKeys(_usable_keys(_fetch(settings.OIDC_JWKS_URL)), now)
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            log.warning("the keys of the identity provider can't be read: %s", error)
        finally:
            self._fetching.release()


provider_keys = ProviderKeys()


def _fetch(url: str) -> Any:
    """Returns the JSON document at `url`.

    Raises OSError, HTTPException, ValueError or RecursionError if the document can't be read.
    """
    try:
        with _opener.open(url, timeout=FETCH_TIMEOUT_SECONDS) as answer:
            body = answer.read(MAX_JWKS_BYTES + 1)
            if len(body) > MAX_JWKS_BYTES:
                raise ValueError("the answer is too large")
    except HTTPError as error:
        error.close()
        raise
    return json.loads(body)


def _usable_keys(document: Any) -> dict[str, RSAPublicKey]:
    """Maps the key id (`kid`) to the key, for each RSA key of a JWK set that is for signatures and long enough.

    Raises ValueError if the set contains no such key.
    """
    members = document.get("keys") if isinstance(document, dict) else None
    keys = {}
    for jwk in members if isinstance(members, list) else []:
        if isinstance(jwk, dict) and isinstance(jwk.get("kid"), str) and (key := _rsa_key(jwk)):
            keys[jwk["kid"]] = key
    if not keys:
        raise ValueError("the answer holds no usable key")
    return keys


def _rsa_key(jwk: dict[str, Any]) -> RSAPublicKey | None:
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", "RS256") != "RS256":
        return None
    try:
        key = RSAAlgorithm.from_jwk({name: jwk.get(name) for name in ("kty", "n", "e")})
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return key if isinstance(key, RSAPublicKey) and key.key_size >= RSA_BITS else None
