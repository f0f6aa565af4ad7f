"""Many rows at once with PostgreSQL's COPY. Triggers, constraints and grants hold as they do for INSERT."""

import io
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Model

# Text format: https://www.postgresql.org/docs/15/sql-copy.html
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def reserve_ids(model: type[Model], count: int) -> list[int]:
    """Keys that nobody else gets, so that children can name their parents before anything is stored."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [model._meta.db_table, count],
        )
        return [key for (key,) in cursor.fetchall()]


def copy_rows(model: type[Model], rows: Iterable[NamedTuple], columns: tuple[str, ...]) -> None:
    """`columns` are the names of the rows' values."""
    # Django's cursor translates the errors of its own methods alone.
    with connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.copy_expert(f"COPY {model._meta.db_table} ({', '.join(columns)}) FROM STDIN", _Lines(rows))


class _Lines(io.TextIOBase):
    """A file that psycopg2 reads while it is being written: no more than one piece is ever in memory."""

    def __init__(self, rows: Iterable[NamedTuple]) -> None:
        self._lines, self._rest = _lines(rows), ""

    def read(self, size: int | None = -1) -> str:
        pieces, length = [self._rest], len(self._rest)
        for line in self._lines:
            pieces.append(line)
            length += len(line)
            if size is not None and 0 <= size <= length:
                break
        text = "".join(pieces)
        end = length if size is None or size < 0 else size
        self._rest = text[end:]
        return text[:end]


def _lines(rows: Iterable[NamedTuple]) -> Iterator[str]:
    return ("\t".join(map(_cell, row)) + "\n" for row in rows)


def _cell(value: Any) -> str:
    return r"\N" if value is None else str(value).translate(_ESCAPES)
