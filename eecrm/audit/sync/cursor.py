"""How far an offline copy has come: a cursor that its holder keeps, and neither reads nor makes by hand.

It is encrypted, for the numbers in it tell how busy the company is.
"""

import base64
import json
import re
import time
from datetime import timedelta
from functools import lru_cache
from typing import Any, NamedTuple, Self

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.utils.crypto import salted_hmac
from rest_framework import status
from rest_framework.exceptions import APIException

from api.requests.problems import BadQuery

# A copy that was left alone for longer is read anew: whoever purges the trail keeps more of it than that.
MAX_CURSOR_AGE = timedelta(days=30)
_SALT = "eecrm.sync"
_FERNET = re.compile(r"gAAAAA[\w-]+", re.ASCII)  # its version, and the first bytes of its time until the year 2106
_FERNET_BYTES, _BLOCK_BYTES = 57, 16  # of version, time, vector and signature; of what is encrypted


class CursorExpired(APIException):
    """410: what this cursor continues is no more."""

    status_code = status.HTTP_410_GONE
    default_code = "cursor_expired"

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}: drop the copy, and start again without a cursor.")


class Position(NamedTuple):
    """A place in the log, right after an entry: its transaction (xid8), and its id."""

    xid: str
    id: int


class SyncCursor(NamedTuple):
    """All up to `since` is told. `walked` is the type and key of the last row that was told, where a walk isn't over: one
    through all rows, or through what the entries up to `until` are about. `proof` covers all that its holder may have seen
    (`migrations/0005_history_proof.py`): a database that was put back to an earlier state doesn't hold it."""

    types: tuple[str, ...]
    since: Position
    proof: str = ""
    until: Position | None = None
    walked: tuple[str, int] | None = None

    @property
    def is_snapshot(self) -> bool:
        return self.walked is not None and self.until is None

    def encode(self, view: str) -> str:
        return encrypt_cursor([view, *self])

    @classmethod
    def decode(cls, text: str, view: str) -> Self:
        """Raises BadQuery for what is no cursor of ours, and CursorExpired where `view` (who looks, and how), the key or the form
        of cursors has changed."""
        if not _is_sealed(text):
            raise BadQuery({"cursor": ["This cursor is none of ours: start again without it."]})
        try:
            made_at, (then_view, types, since, proof, until, walked) = decrypt_cursor(text)
        except (InvalidToken, TypeError, ValueError):
            raise CursorExpired("This cursor was made with another key, or was altered") from None
        if time.time() > made_at + MAX_CURSOR_AGE.total_seconds():
            raise CursorExpired(f"This cursor is older than {MAX_CURSOR_AGE.days} days") from None
        if then_view != view:
            raise CursorExpired("This cursor is another account's, or what you may see has changed since") from None
        return cls(
            tuple(types),
            Position(*since),
            proof,
            Position(*until) if until else None,
            tuple(walked) if walked else None,
        )


def encrypt_cursor(form: Any, *, made_at: int | None = None) -> str:
    at = int(time.time()) if made_at is None else made_at
    return (
        _fernet(settings.SECRET_KEY)
        .encrypt_at_time(json.dumps(form, separators=(",", ":")).encode(), at)
        .decode()
        .rstrip("=")
    )


def decrypt_cursor(text: str) -> tuple[int, Any]:
    """When it was made, in seconds, and the form. Raises InvalidToken."""
    fernet, token = _fernet(settings.SECRET_KEY), text + "=" * (-len(text) % 4)
    form = json.loads(fernet.decrypt(token))
    return fernet.extract_timestamp(token), form


def _is_sealed(text: str) -> bool:
    """It has the form of what `seal` makes, with any key."""
    has_bytes = len(text) * 3 // 4
    return (
        bool(_FERNET.fullmatch(text))
        and len(text) % 4 != 1
        and has_bytes % _BLOCK_BYTES == _FERNET_BYTES % _BLOCK_BYTES
    )


@lru_cache(maxsize=2)
def _fernet(secret: str) -> Fernet:
    """Its key is made of the secret, for cursors alone."""
    return Fernet(base64.urlsafe_b64encode(salted_hmac(_SALT, "", secret, algorithm="sha256").digest()))
