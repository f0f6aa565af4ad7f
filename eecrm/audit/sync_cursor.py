"""How far an offline copy has come: a cursor that its holder keeps, signed, so that nobody makes one by hand."""

import re
from datetime import timedelta
from typing import NamedTuple, Self

from django.core import signing
from rest_framework import status
from rest_framework.exceptions import APIException

from api.problems import BadQuery

# A copy that was left alone for longer is read anew: whoever purges the trail keeps more of it than that.
LONGEST = timedelta(days=30)
_SALT = "eecrm.sync"
_SIGNED = re.compile(r"\.?[\w-]+:[0-9A-Za-z]+:[\w-]{43}", re.ASCII)  # as django.core.signing writes it


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


class Cursor(NamedTuple):
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
        return signing.dumps([view, *self], salt=_SALT)

    @classmethod
    def decode(cls, text: str, view: str) -> Self:
        """Raises BadQuery for what is no cursor of ours, and CursorExpired where `view` (who looks, and how), the signing key
        or the form of cursors has changed."""
        if not _SIGNED.fullmatch(text):
            raise BadQuery({"cursor": ["This cursor is none of ours: start again without it."]})
        try:
            then_view, types, since, proof, until, walked = signing.loads(text, salt=_SALT, max_age=LONGEST)
        except signing.SignatureExpired:
            raise CursorExpired(f"This cursor is older than {LONGEST.days} days") from None
        except (signing.BadSignature, ValueError):
            raise CursorExpired("This cursor was made with another key, or was altered") from None
        if then_view != view:
            raise CursorExpired("This cursor is another account's, or what you may see has changed since") from None
        return cls(
            tuple(types),
            Position(*since),
            proof,
            Position(*until) if until else None,
            tuple(walked) if walked else None,
        )
