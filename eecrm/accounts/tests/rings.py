"""Keys of each kind, made once, and rings of them."""

from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from accounts.login.signing_keys import KeyRing, key_ring, read_previous_keys, read_signing_key

SECRET = "a-secret-of-its-own-longer-than-thirty-two-bytes"
# Which kind of key each algorithm takes.
KEYS = {"HS256": "secret", "RS256": "rsa", "ES256": "ec"}


def private(kind: str, number: int = 0, password: str = "") -> str:
    """The private half in PEM; another `number` is another key of the same kind."""
    return _made(kind, number, password)


@cache
def _made(kind: str, number: int, password: str) -> str:
    key = {
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
        "weak rsa": lambda: rsa.generate_private_key(65537, 1024),
        "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
        "other curve": lambda: ec.generate_private_key(ec.SECP384R1()),
        "edwards": ed25519.Ed25519PrivateKey.generate,
    }[kind]()
    encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def public(kind: str, number: int = 0) -> str:
    key = load_pem_private_key(private(kind, number).encode(), None).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def text_of(algorithm: str, number: int = 0) -> str:
    """What JWT_SIGNING_KEY says for this algorithm."""
    return f"{SECRET}-{number}" if algorithm == "HS256" else private(KEYS[algorithm], number)


def ring(algorithm: str, *previous: str, number: int = 0) -> KeyRing:
    """A ring that signs with this algorithm and still believes these texts."""
    present = read_signing_key(text_of(algorithm, number), algorithm)
    return key_ring(present, read_previous_keys(",".join(previous)))
