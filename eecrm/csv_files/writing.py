"""Writes CSV files that run no formula in a spreadsheet, and that only the file's owner can read."""

import csv
import io
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

# Characters that begin a formula in a spreadsheet, full-width characters included (OWASP, CSV Injection).
# Quotation marks and spaces may come before a formula, because spreadsheets drop them at a cell's beginning.
# `guarded` puts an apostrophe (the guard) before a formula. The original cell may begin with an apostrophe, too.
# If a cell already has an apostrophe before a formula, it gets another one, so that `unguarded` restores the cell.
_BEGINS = r"[=+\-@\t\r\n＝＋－＠]"
_FORMULA, _ANY = re.compile(rf"[\s\"']*{_BEGINS}"), re.compile(_BEGINS)
# Matches a run of spaces and quotation marks, and the sign of a formula after the run.
# Matches of this pattern don't overlap, so the search reads each character only once.
_RUN = re.compile(r"[\s\"']+[=+\-@＝＋－＠]?|[=+\-@＝＋－＠]")
# After one of these characters a spreadsheet may begin a new cell. Much of Europe separates cells with `;`.
_SEPARATORS = ",;|\t\r\n"


class CannotExport(Exception):
    """Raised if a file can't be written. The message is a sentence for the user."""


def is_formula(cell: str) -> bool:
    """True if a spreadsheet would run the cell as a formula, or if `unguarded` would change the cell."""
    return _FORMULA.match(cell) is not None


def guarded(cell: str) -> str:
    """Returns the cell with an apostrophe (the guard) before each formula: `'+33612345678`.

    Every spreadsheet takes such a cell for text.
    """
    places = [place for place in _formulas(cell) if _may_begin(cell, place)]
    edges = [0, *places, len(cell)]
    return "'".join(cell[start:end] for start, end in pairwise(edges))


def unguarded(cell: str) -> str:
    """Removes the apostrophes that `guarded` has added to a cell. A cell without them stays unchanged."""
    guards = [
        place - 1 for place in _formulas(cell) if place and cell[place - 1] == "'" and _may_begin(cell, place - 1)
    ]
    starts, ends = [0, *(place + 1 for place in guards)], [*guards, len(cell)]
    return "".join(cell[start:end] for start, end in zip(starts, ends, strict=True))


def _formulas(cell: str) -> Iterator[int]:
    """Yields each position from which a spreadsheet would take the rest of the cell for a formula."""
    if not _ANY.search(cell):
        return
    for run in _RUN.finditer(cell):
        if match := _FORMULA.match(run[0]):
            yield from range(run.start(), run.start() + match.end())


def _may_begin(cell: str, place: int) -> bool:
    return place == 0 or cell[place - 1] in _SEPARATORS


def csv_text(rows: Iterable[Iterable[str]]) -> str:
    """Returns the rows as CSV text (RFC 4180). Every cell is `guarded` against formulas."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([map(guarded, row) for row in rows])
    return text.getvalue()


def write_privately(path: Path, content: bytes, *, replaces: bool = False) -> None:
    """Writes a file that only its owner may read (mode 0600), completely or not at all.

    The content goes into a temporary file first, which then gets the name `path`. With `replaces` the new
    file replaces an existing file. If `path` is a symbolic link, the new file replaces the link and not the link's
    target. Raises CannotExport if writing fails, or if `path` exists and `replaces` is false.
    """
    try:
        _write(path, content, replaces=replaces)
    except FileExistsError:
        raise CannotExport(f"{path} exists already: choose another name, or --force to replace it.") from None
    except (OSError, ValueError) as error:  # ValueError: the path contains a NUL character
        raise CannotExport(f"{path} can't be written: {getattr(error, 'strerror', None) or error}.") from None


def _write(path: Path, content: bytes, *, replaces: bool) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".export-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        if replaces:
            os.replace(name, path)
        else:
            os.link(name, path)  # fails if the name exists, unlike os.replace
    finally:
        Path(name).unlink(missing_ok=True)
