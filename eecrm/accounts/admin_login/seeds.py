"""Encryption (Fernet) of the seeds (TOTP secrets) of second factors. The key isn't in the database.

The settings import this module to read the keys. So the module must not use the settings while it is imported.
"""

from base64 import urlsafe_b64decode

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from access.secret_strength import is_weak


def factor_keys(present: Fernet, previous: list[Fernet]) -> MultiFernet:
    """Returns the Fernet keys. The key `present` encrypts and decrypts. The keys in `previous` only decrypt."""
    return MultiFernet([present, *previous])


def read_previous_seed_keys(texts: str) -> list[Fernet]:
    """Returns the keys of the setting SECOND_FACTOR_PREVIOUS_KEYS. Raises ImproperlyConfigured if one is invalid."""
    return [read_seed_key(text, "SECOND_FACTOR_PREVIOUS_KEYS") for text in texts.split(",")] if texts else []


def read_seed_key(text: str, name: str = "SECOND_FACTOR_KEY") -> Fernet:
    """Returns the key of the setting `name`. Raises ImproperlyConfigured if it is invalid."""
    text = text.strip()
    try:
        key = Fernet(text)
    except ValueError:  # binascii.Error is a subclass of ValueError
        sentence = (
            f"{name} takes 32 random bytes in URL-safe base64: 44 characters, as `openssl rand -base64 32` makes."
        )
        raise ImproperlyConfigured(sentence) from None
    if is_weak(urlsafe_b64decode(text), 32):
        raise ImproperlyConfigured(f"{name} is weak: use 32 random bytes.")
    return key


def encrypt_seed(secret: bytes) -> str:
    return settings.SECOND_FACTOR_KEYS.encrypt(secret).decode()


def decrypt_seed(text: str, *, within: int | None = None) -> bytes | None:
    """Returns the decrypted seed (TOTP secret).

    Returns None if no configured key fits, or if the seed was encrypted more than `within` seconds ago.
    """
    try:
        return settings.SECOND_FACTOR_KEYS.decrypt(text, ttl=within)
    except (InvalidToken, ValueError):  # Fernet raises ValueError if the text isn't ASCII
        return None


def seal_again(text: str) -> str:
    """Decrypts an encrypted seed (TOTP secret), and encrypts it again with the present SECOND_FACTOR_KEY.

    Raises cryptography's InvalidToken if no configured key fits.
    """
    return settings.SECOND_FACTOR_KEYS.rotate(text).decode()
