"""Cursors of `sync/`: encrypted texts with the position up to which an offline copy has read the change log.

Cursors are encrypted because their numbers would show partners how busy the company is.
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

# Maximum age of a cursor. An API client with an older cursor must read all rows again.
# A purge of the audit trail may delete only entries that are older than this.
MAX_CURSOR_AGE = timedelta(days=30)
_SALT = "eecrm.sync"
# A cursor is a Fernet token in Base64. Until the year 2106, all such tokens begin with `gAAAAA` (version and time).
_FERNET = re.compile(r"gAAAAA[\w-]+", re.ASCII)
_FERNET_BYTES = 57  # number of bytes of version, time, initialisation vector and signature
_BLOCK_BYTES = 16  # the length of the encrypted part is a multiple of this number of bytes


class CursorExpired(APIException):
    """Error 410: the API client must read all rows again, because its cursor is no longer valid."""

    status_code = status.HTTP_410_GONE
    default_code = "cursor_expired"

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}: drop the copy, and start again without a cursor.")


class Position(NamedTuple):
    """A position in the change log: the transaction id (xid8) and the id of the last entry that was read."""

    xid: str
    id: int


class SyncCursor(NamedTuple):
    """The state of an offline copy: the server has sent all changes up to the position `since`.

    `walked`: type and key of the last row that the server has sent; None if the server has sent all rows. If it is
    None, the next answer begins with the changes after `since`.
    `until`: the server is sending the rows that changed between `since` and `until`. If it is None, the server is
    sending all visible rows.
    `proof`: a digest of all history that the copy may have seen
    (`sql/history_proof.sql`). If the database was restored to an earlier state, the proof is no longer valid.
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
        """Decrypts a cursor. `view` is a digest of all that decides which rows and fields the caller may see.

        Raises BadQuery if the text doesn't have the form of a cursor.
        Raises CursorExpired if the cursor is too old, or if `view`, the secret key or the content has changed.
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
    """Returns the time when the cursor was made (seconds since 1970) and its content.

    Raises InvalidToken if the cursor was altered or was made with another key.
    """
    fernet, token = _fernet(settings.SECRET_KEY), text + "=" * (-len(text) % 4)
    content = json.loads(fernet.decrypt(token))
    return fernet.extract_timestamp(token), content


def _is_fernet_token(text: str) -> bool:
    """Returns True if the text has the form of a cursor that `encrypt_cursor` makes, with any secret key."""
    byte_count = len(text) * 3 // 4
    return (
        bool(_FERNET.fullmatch(text))
        and len(text) % 4 != 1
        and byte_count % _BLOCK_BYTES == _FERNET_BYTES % _BLOCK_BYTES
    )


@lru_cache(maxsize=2)
def _fernet(secret: str) -> Fernet:
    """Returns the cipher (Fernet) for cursors. Its key is derived from `secret` and used for nothing else."""
    return Fernet(base64.urlsafe_b64encode(salted_hmac(_SALT, "", secret, algorithm="sha256").digest()))
