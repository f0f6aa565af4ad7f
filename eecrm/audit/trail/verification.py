"""Verifies the seals of the trail: computes each seal again from the stored rows, in Python, and compares.

The queries call only SQL functions of `pg_catalog`, because an attacker may have replaced others.
Without the prefix `pg_catalog.`, PostgreSQL could call an attacker's function of the same name.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

from django.db import connection

from csv_files.words import counted

MAX_ENTRIES_PER_QUERY = 5_000  # a query for so few entries never reaches its timeout, even in a long trail

# The hash of a row is computed from PostgreSQL's text of the row, and this text depends on these settings.
_SET_TEXT_FORMAT = "SET LOCAL timezone = 'UTC'; SET LOCAL bytea_output = 'hex'"
_SEALS = """
    SELECT id, first_id, last_id, entries, pg_catalog.encode(previous_hash, 'hex'), pg_catalog.encode(hash, 'hex'),
           sealed_at::text, (pg_catalog.to_jsonb(seal) - 'hash')::text
      FROM audit.seal WHERE id > %s ORDER BY id FETCH FIRST %s ROWS WITH TIES
"""
# WITH TIES returns entries with the same id, too. An attacker who drops the primary key can insert such entries.
_ENTRIES = """
    SELECT id, pg_catalog.to_jsonb(entry)::text || pg_catalog.num_nulls(old, new)
      FROM audit.entry WHERE id > %s ORDER BY id FETCH FIRST %s ROWS WITH TIES
"""
_WRITTEN = "SELECT min(at)::text, max(at)::text FROM audit.entry WHERE id BETWEEN %s AND %s"


class Seal(NamedTuple):
    id: int
    first_id: int
    last_id: int
    entries: int
    previous_hash: str
    hash: str
    sealed_at: str
    content: str  # all columns of the seal except `hash`, as JSON

    @property
    def name(self) -> str:
        """Returns the seal's name for messages: "Seal 7 (entries 6001 to 7000, written … to …, sealed …)"."""
        with connection.cursor() as cursor:
            cursor.execute(_WRITTEN, [self.first_id, self.last_id])
            first, last = (moment[:16] if moment else "?" for moment in cursor.fetchone())
        entries = f"entries {self.first_id} to {self.last_id}"
        return f"Seal {self.id} ({entries}, written {first} to {last}, sealed {self.sealed_at[:16]})"


_NO_SEAL = Seal(0, 0, 0, 0, "", "", "", "")


@dataclass
class Verification:
    seals: int = 0
    entries: int = 0
    unsealed: int = 0
    problems: list[str] = field(default_factory=list)  # sentences for users, one for each problem


class _Trail:
    """Reads the entries of the trail in the order of their ids, page by page."""

    def __init__(self) -> None:
        self._rows = _pages(_ENTRIES)
        self._next = next(self._rows, None)

    def up_to(self, last_id: int) -> Iterator[str]:
        while self._next and self._next[0] <= last_id:
            yield self._next[1]
            self._next = next(self._rows, None)


def _pages(query: str) -> Iterator[tuple[Any, ...]]:
    """Yields all rows of a query, which it reads page by page. The query's first column must be the id."""
    last = -(2**63)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(query, [last, MAX_ENTRIES_PER_QUERY])
            rows = cursor.fetchall()
        yield from rows
        if len(rows) < MAX_ENTRIES_PER_QUERY:
            return
        last = rows[-1][0]


def seals() -> Iterator[Seal]:
    return map(Seal._make, _pages(_SEALS))


def last_seal() -> Seal | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(id) - 1 FROM audit.seal")
        (before,) = cursor.fetchone()
        if before is None:
            return None
        cursor.execute(_SEALS, [before, 1])
        return Seal._make(cursor.fetchone())


def sealed_entries() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(entries), 0)::bigint FROM audit.seal")
        (number,) = cursor.fetchone()
    return int(number)


def verify(*, expected: tuple[int, str] | None, advance: Callable[[int], object]) -> Verification:
    """Checks every seal, in order. The caller must have entered a role that may read the whole trail.

    `expected` is the id and hash of a seal that was noted elsewhere. It is a problem if this seal is missing.
    `advance` is called after each seal with its number of entries, for a progress bar.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SET_TEXT_FORMAT)
    outcome, trail, before = Verification(), _Trail(), _NO_SEAL
    is_expected_there = expected is None
    for seal in seals():
        outcome.problems += [*_chain_problems(before, seal), *_entry_problems(seal, trail)]
        outcome.seals, outcome.entries, before = outcome.seals + 1, outcome.entries + seal.entries, seal
        is_expected_there |= (seal.id, seal.hash) == expected
        advance(seal.entries)
    if expected is not None and not is_expected_there:
        outcome.problems.append(
            f"Seal {expected[0]} is not the one that was noted: the trail was rewritten from there on."
        )
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit.entry WHERE id > %s", [before.last_id])
        (outcome.unsealed,) = cursor.fetchone()
    return outcome


def _chain_problems(before: Seal, seal: Seal) -> Iterator[str]:
    if seal.id != before.id + 1:
        missing = (
            f"Seal {before.id + 1} is" if seal.id == before.id + 2 else f"Seals {before.id + 1} to {seal.id - 1} are"
        )
        yield f"{missing} missing, of the entries {before.last_id + 1} to {seal.first_id - 1}."
    elif (seal.first_id, seal.previous_hash) != (before.last_id + 1, before.hash):
        yield f"{seal.name} doesn't follow from the seal before it: one of the two was changed or replaced."


def _entry_problems(seal: Seal, trail: _Trail) -> Iterator[str]:
    in_front = sum(1 for _ in trail.up_to(seal.first_id - 1))
    if in_front and seal.id == 1:
        yield f"{counted(in_front, 'entry', 'entries')} in front of the first seal: put in."
    digests = [sha256(content.encode()).digest() for content in trail.up_to(seal.last_id)]
    surplus = len(digests) - seal.entries
    if surplus:
        difference = f"{counted(abs(surplus), 'entry', 'entries')} {'put in' if surplus > 0 else 'removed'}"
        yield f"{seal.name} doesn't hold: {difference}."
    elif sha256(seal.content.encode() + b"".join(digests)).hexdigest() != seal.hash:
        yield f"{seal.name} doesn't hold: one of its entries was changed, or the seal itself."
