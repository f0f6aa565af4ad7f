"""Several names in one cell, separated by semicolons, so that reading it again gives the same names."""

import re
from collections.abc import Iterable, Iterator

from csv_files.writing import is_formula

SEPARATOR = ";"
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_PART = re.compile(r"(?:[^;\\]|\\.)*", re.DOTALL)


def join_names(names: Iterable[str]) -> str:
    """Sorted. A backslash goes before each character of a name that would be read as something else.

    A spreadsheet that takes the semicolon for its own separator finds no formula behind it, and no line break.
    """
    return SEPARATOR.join(map(_escape, sorted(names)))


def split_names(cell: str) -> list[str]:
    """The names in a cell; spaces around them, and empty ones, count for nothing. Raises ValueError."""
    names = (part.strip() for part in _parts(cell))
    return [_ESCAPED.sub(_character, name) for name in names if name]


def _escape(name: str) -> str:
    inner = name.strip()
    start = name.index(inner) if inner else 0
    edges = {*range(start), *range(start + len(inner), len(name))}
    begins_formula = is_formula(name) or name.startswith("'")
    return "".join(
        _escaped(sign)
        if place in edges or sign in ";\\" or not _is_plain(sign) or (begins_formula and place == 0)
        else sign
        for place, sign in enumerate(name)
    )


def _is_plain(sign: str) -> bool:
    """No line break or control character, which programs change or cut at."""
    return sign == " " or sign.isprintable() or ord(sign) > 0xFFFF


def _escaped(sign: str) -> str:
    return f"\\{sign}" if sign.isprintable() and sign not in " u" else f"\\u{ord(sign):04x}"


def _character(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else found[2]


def _parts(cell: str) -> Iterator[str]:
    place = 0
    while place <= len(cell):
        found = _PART.match(cell, place)
        end = found.end() if found else place
        if end < len(cell) and cell[end] == "\\":
            raise ValueError(
                "A backslash stands before the character that it keeps from meaning something else: write \\\\ for one."
            )
        yield cell[place:end]
        place = end + 1
