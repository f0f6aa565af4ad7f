"""Cursors of offline copies: an opaque, encrypted text with the copy's position in the change log.

It is encrypted because the numbers in it show how busy the company is.
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

# A copy with an older cursor starts again from the beginning. A purge of the trail must keep more days than this.
MAX_CURSOR_AGE = timedelta(days=30)
_SALT = "eecrm.sync"
# Base64 of Fernet's version and of the first bytes of its time, which stay the same until the year 2106.
_FERNET = re.compile(r"gAAAAA[\w-]+", re.ASCII)
_FERNET_BYTES = 57  # version, time, initialisation vector and signature
_BLOCK_BYTES = 16  # the encrypted part is a multiple of it


class CursorExpired(APIException):
    """410: no copy can be continued from this cursor."""

    status_code = status.HTTP_410_GONE
    default_code = "cursor_expired"

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}: drop the copy, and start again without a cursor.")


class Position(NamedTuple):
    """A position in the change log, right after an entry: the entry's transaction id (xid8) and its id."""

    xid: str
    id: int


class SyncCursor(NamedTuple):
    """The state of an offline copy: all changes up to the position `since` have been sent.

    During a walk through rows, `walked` is the type and key of the last row that was sent; None otherwise.
    Without `until`, the walk goes through all rows. With `until`, it covers the rows of the entries up to there.
    `proof` covers all history that the copy may have seen (`sql/history_proof.sql`).
    A database that was restored to an earlier state doesn't confirm the proof.
    """

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
        """Decrypt a cursor. `view` stands for the caller's account, role and representation.

        Raises BadQuery for a text that isn't one of our cursors.
        Raises CursorExpired if the cursor is too old, or if the view, the key or the form of cursors has changed.
        """
        if not _is_fernet_token(text):
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


def encrypt_cursor(content: Any, *, made_at: int | None = None) -> str:
    at = int(time.time()) if made_at is None else made_at
    return (
        _fernet(settings.SECRET_KEY)
        .encrypt_at_time(json.dumps(content, separators=(",", ":")).encode(), at)
        .decode()
        .rstrip("=")
    )


def decrypt_cursor(text: str) -> tuple[int, Any]:
    """The cursor's creation time in seconds since 1970, and its content. Raises InvalidToken."""
    fernet, token = _fernet(settings.SECRET_KEY), text + "=" * (-len(text) % 4)
    content = json.loads(fernet.decrypt(token))
    return fernet.extract_timestamp(token), content


def _is_fernet_token(text: str) -> bool:
    """Has the text the form of a result of `encrypt_cursor`, with any key?"""
    byte_count = len(text) * 3 // 4
    return (
        bool(_FERNET.fullmatch(text))
        and len(text) % 4 != 1
        and byte_count % _BLOCK_BYTES == _FERNET_BYTES % _BLOCK_BYTES
    )


@lru_cache(maxsize=2)
def _fernet(secret: str) -> Fernet:
    """Fernet with a key that is derived from the secret and used for cursors only."""
    return Fernet(base64.urlsafe_b64encode(salted_hmac(_SALT, "", secret, algorithm="sha256").digest()))
