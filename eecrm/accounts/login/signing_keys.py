"""Keys of our own tokens: the signing key, and previous keys accepted during a rotation (RFC 7517, RFC 8725).

The settings import this module, so the module must not read the settings. No error message contains a key.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from django.core.exceptions import ImproperlyConfigured
from jwt import InvalidKeyError
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, RSAAlgorithm

from access.secret_strength import is_weak

ALGORITHMS = ("HS256", "RS256", "ES256")
SECRET_BYTES, RSA_BITS = 32, 2048  # minimum bytes of a secret, minimum bits of an RSA key (RFC 7518, 3.2 and 3.3)

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey
# JWK members (JSON fields) that identify a public key (RFC 7638, section 3.2).
# A published JWK contains only members that identify the key, and `kid`, `use` and `alg`.
_KEY_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y")}


@dataclass(frozen=True)
class Key:
    """A key of our own tokens, and the only algorithm that may be used with this key.

    A token can't choose another algorithm in its header.
    """

    kid: str
    algorithm: str
    verifying: bytes | PublicKey = field(repr=False)
    signing: Any = field(repr=False)  # None if only the public key is configured

    def public(self) -> dict[str, str] | None:
        """Returns the public key as a JWK. Returns None for a shared secret, because a secret must not be published."""
        if isinstance(self.verifying, bytes):
            return None
        return _key_members(self.verifying) | {"kid": self.kid, "use": "sig", "alg": self.algorithm}


# A KeyRing equals only itself (eq=False), because `tokens` uses KeyRing objects as keys of a cache.
@dataclass(frozen=True, eq=False)
class KeyRing:
    """All configured keys of our own tokens. The key `present` signs new tokens.

    `believed` maps the key id (`kid`) of each accepted key to the key.
    """

    present: Key
    believed: dict[str, Key]

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        return {"keys": [jwk for key in self.believed.values() if (jwk := key.public())]}


def key_ring(present: Key, previous: list[Key]) -> KeyRing:
    return KeyRing(present, {key.kid: key for key in (*previous, present)})


def read_signing_key(text: str, algorithm: str) -> Key:
    """Returns the key of the setting JWT_SIGNING_KEY. Raises ImproperlyConfigured if it is invalid.

    An unknown `algorithm` raises no error here, because the settings check JWT_ALGORITHM separately.
    """
    key = _read_key("JWT_SIGNING_KEY", text)
    if algorithm in ALGORITHMS and key.algorithm != algorithm:
        raise ImproperlyConfigured(f"JWT_SIGNING_KEY doesn't fit JWT_ALGORITHM {algorithm}: it is for {key.algorithm}.")
    if key.signing is None:
        raise ImproperlyConfigured("JWT_SIGNING_KEY is a public key: signing takes the private one.")
    return key


def read_previous_keys(texts: str) -> list[Key]:
    """Returns the keys of the setting JWT_PREVIOUS_KEYS. Raises ImproperlyConfigured if one is invalid.

    A PEM text contains no comma, so a comma can separate keys of every kind.
    """
    return [_read_key("JWT_PREVIOUS_KEYS", text) for text in texts.split(",") if text.strip()]


def _read_key(name: str, text: str) -> Key:
    if "-----BEGIN" in text:
        return _key_pair(name, text)
    return _secret(name, text.strip())


def _secret(name: str, text: str) -> Key:
    secret = text.encode()
    if is_weak(secret, SECRET_BYTES):
        raise ImproperlyConfigured(f"{name} is weak: use {SECRET_BYTES} random bytes or more.")
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except InvalidKeyError:
        raise ImproperlyConfigured(f"{name} isn't a secret but some form of a key pair: write that as PEM.") from None
    # The key id is an HMAC with the secret, like a token's signature. So the id reveals no more than a token does.
    kid = hmac.digest(secret, b"key id", hashlib.sha256)[:16]
    return Key(_base64url(kid), "HS256", verifying=secret, signing=secret)


def _key_pair(name: str, text: str) -> Key:
    pem = text.replace("\\n", "\n").strip()
    if pem.count("PRIVATE KEY-----") + pem.count("PUBLIC KEY-----") != 2:
        raise ImproperlyConfigured(f"{name} must hold one key in each PEM text, and a comma between two of them.")
    try:
        signing: Any = load_pem_private_key(pem.encode(), password=None) if "PRIVATE" in pem else None
        verifying = load_pem_public_key(pem.encode()) if signing is None else signing.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ImproperlyConfigured(f"{name} holds a PEM text that can't be read: use one without a password.") from None
    match verifying:
        case RSAPublicKey() if verifying.key_size >= RSA_BITS:
            algorithm = "RS256"
        case RSAPublicKey():
            raise ImproperlyConfigured(f"{name} is weak: an RSA key has {RSA_BITS} bits or more.")
        case EllipticCurvePublicKey() if isinstance(verifying.curve, SECP256R1):
            algorithm = "ES256"
        case _:
            raise ImproperlyConfigured(f"{name} is neither an RSA key nor one of the curve P-256.")
    return Key(_thumbprint(verifying), algorithm, verifying, signing)


def _key_members(key: PublicKey) -> dict[str, str]:
    jwk = RSAAlgorithm.to_jwk(key, True) if isinstance(key, RSAPublicKey) else ECAlgorithm.to_jwk(key, True)
    return {name: jwk[name] for name in _KEY_MEMBERS[jwk["kty"]]}


def _thumbprint(key: PublicKey) -> str:
    """Returns the JWK thumbprint of a public key (RFC 7638).

    The thumbprint is a hash of the key's required members, sorted and without white space.
    """
    canonical = json.dumps(_key_members(key), sort_keys=True, separators=(",", ":"))
    return _base64url(hashlib.sha256(canonical.encode()).digest())


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
