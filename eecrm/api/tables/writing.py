"""Tables that a spreadsheet opens without running anything, in files that nobody else reads."""

import csv
import io
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

# What makes a spreadsheet take a cell for a formula (OWASP, CSV Injection), full-width forms included, behind quotation marks
# and spaces, which it drops, and behind earlier guards: so that taking one off again gives back what stood there.
_BEGINS = r"[=+\-@\t\r\n＝＋－＠]"
_FORMULA, _ANY = re.compile(rf"[\s\"']*{_BEGINS}"), re.compile(_BEGINS)
# A run of what is dropped, with the sign behind it: each character of a cell belongs to one run at most, and is looked at once.
_RUN = re.compile(r"[\s\"']+[=+\-@＝＋－＠]?|[=+\-@＝＋－＠]")
# After which a cell may begin in a spreadsheet that takes another sign for the separator than the file does (`;` in much of Europe).
_SEPARATORS = ",;|\t\r\n"


class CannotExport(Exception):
    """Why the file wasn't written, in a sentence."""


def is_formula(cell: str) -> bool:
    """A spreadsheet would run the cell, or take off the guard that stands before it."""
    return _FORMULA.match(cell) is not None


def guarded(cell: str) -> str:
    """The cell as text for every spreadsheet: an apostrophe goes before what would begin a formula (`'+33612345678`)."""
    places = [place for place in _formulas(cell) if _may_begin(cell, place)]
    edges = [0, *places, len(cell)]
    return "'".join(cell[start:end] for start, end in pairwise(edges))


def unguarded(cell: str) -> str:
    """The cell as it was before `guarded`; any other is left as it is."""
    guards = [place - 1 for place in _formulas(cell) if place and cell[place - 1] == "'" and _may_begin(cell, place - 1)]
    starts, ends = [0, *(place + 1 for place in guards)], [*guards, len(cell)]
    return "".join(cell[start:end] for start, end in zip(starts, ends, strict=True))


def _formulas(cell: str) -> Iterator[int]:
    """Each place from which on the cell reads as a formula."""
    if not _ANY.search(cell):
        return
    for run in _RUN.finditer(cell):
        found = _FORMULA.match(run[0])  # up to its last sign that begins one
        if found:
            yield from range(run.start(), run.start() + found.end())


def _may_begin(cell: str, place: int) -> bool:
    return place == 0 or cell[place - 1] in _SEPARATORS


def csv_text(rows: Iterable[Iterable[str]]) -> str:
    """RFC 4180, every cell guarded."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([map(guarded, row) for row in rows])
    return text.getvalue()


def write_privately(path: Path, content: bytes, *, replaces: bool = False) -> None:
    """A file that its owner alone may read (0600), whole or not at all.

    It is written under another name first. Nothing is followed or overwritten, a symbolic link neither; with
    `replaces` the new file takes the place of the old one (or of the link). Raises CannotExport.
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
            os.link(name, path)  # unlike a rename it refuses a name that is taken
    finally:
        Path(name).unlink(missing_ok=True)
