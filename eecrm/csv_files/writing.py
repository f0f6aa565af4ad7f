"""Tables that a spreadsheet opens without running anything, in files that nobody else reads."""

import csv
import io
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

# What makes a spreadsheet take a cell for a formula (OWASP, CSV Injection), full-width forms included, behind quotation marks
# and spaces, which it drops, and behind earlier guards: so that taking one off again gives back what stood there.
_FORMULA = r"[\s\"']*[=+\-@\t\r\n＝＋－＠]"
# Where a cell may begin in a spreadsheet that takes another sign for the separator than the file does (`;` in much of Europe).
_BEGINNING = r"(?:\A|(?<=[,;|\t\r\n]))"
_UNGUARDED, _GUARDED = re.compile(f"{_BEGINNING}(?={_FORMULA})"), re.compile(f"{_BEGINNING}'(?={_FORMULA})")


class CannotExport(Exception):
    """Why the file wasn't written, in a sentence."""


def is_formula(cell: str) -> bool:
    """A spreadsheet would run the cell, or take off the guard that stands before it."""
    return re.match(_FORMULA, cell) is not None


def guarded(cell: str) -> str:
    """The cell as text for every spreadsheet: an apostrophe goes before what would begin a formula (`'+33612345678`)."""
    return _UNGUARDED.sub("'", cell)


def unguarded(cell: str) -> str:
    """The cell as it was before `guarded`; any other is left as it is."""
    return _GUARDED.sub("", cell)


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
