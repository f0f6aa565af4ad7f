"""Writes CSV files that run no formula in a spreadsheet and that only their owner can read."""

import csv
import io
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

# A spreadsheet takes a cell that begins like this for a formula (OWASP, CSV Injection), full-width characters included.
# Spreadsheets drop quotation marks and spaces at the beginning, so these may come first. An apostrophe (the guard) may
# come first too: such a cell gets a second guard, so that removing one guard restores the original cell.
_BEGINS = r"[=+\-@\t\r\n＝＋－＠]"
_FORMULA, _ANY = re.compile(rf"[\s\"']*{_BEGINS}"), re.compile(_BEGINS)
# A run of spaces and quotation marks with the sign after it. Runs don't overlap: the search reads each character once.
_RUN = re.compile(r"[\s\"']+[=+\-@＝＋－＠]?|[=+\-@＝＋－＠]")
# After these characters a spreadsheet may begin a new cell: in much of Europe it takes `;` for the separator.
_SEPARATORS = ",;|\t\r\n"


class CannotExport(Exception):
    """Raised if the file can't be written. The message is a sentence for the user."""


def is_formula(cell: str) -> bool:
    """True if a spreadsheet would run the cell as a formula, or if `unguarded` would change it."""
    return _FORMULA.match(cell) is not None


def guarded(cell: str) -> str:
    """Cell that every spreadsheet takes for text. It has an apostrophe before each formula: `'+33612345678`."""
    places = [place for place in _formulas(cell) if _may_begin(cell, place)]
    edges = [0, *places, len(cell)]
    return "'".join(cell[start:end] for start, end in pairwise(edges))


def unguarded(cell: str) -> str:
    """Cell as it was before `guarded`. A cell without a guard stays unchanged."""
    guards = [
        place - 1 for place in _formulas(cell) if place and cell[place - 1] == "'" and _may_begin(cell, place - 1)
    ]
    starts, ends = [0, *(place + 1 for place in guards)], [*guards, len(cell)]
    return "".join(cell[start:end] for start, end in zip(starts, ends, strict=True))


def _formulas(cell: str) -> Iterator[int]:
    """Yields the positions at which the rest of the cell would be taken for a formula."""
    if not _ANY.search(cell):
        return
    for run in _RUN.finditer(cell):
        if match := _FORMULA.match(run[0]):
            yield from range(run.start(), run.start() + match.end())


def _may_begin(cell: str, place: int) -> bool:
    return place == 0 or cell[place - 1] in _SEPARATORS


def csv_text(rows: Iterable[Iterable[str]]) -> str:
    """CSV text (RFC 4180). Every cell is `guarded` against formulas."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([map(guarded, row) for row in rows])
    return text.getvalue()


def write_privately(path: Path, content: bytes, *, replaces: bool = False) -> None:
    """Writes a file that only its owner may read (mode 0600), completely or not at all.

    The content goes into a temporary file first. With `replaces` that file replaces an existing file, or a symbolic
    link itself and not the link's target. Raises CannotExport if writing fails, or if the path exists and `replaces` is
    false.
    """
    try:
        _write(path, content, replaces=replaces)
    except FileExistsError:
        raise CannotExport(f"{path} exists already: choose another name, or --force to replace it.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise CannotExport(f"{path} can't be written: {getattr(error, 'strerror', None) or error}.") from None


def _write(path: Path, content: bytes, *, replaces: bool) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".export-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        if replaces:
            os.replace(name, path)
        else:
            os.link(name, path)  # unlike os.replace it fails if the name exists
    finally:
        Path(name).unlink(missing_ok=True)
