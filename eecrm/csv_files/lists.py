"""Writes several names into one cell, separated by semicolons, and reads the same names back."""

import re
from collections.abc import Iterable, Iterator

from csv_files.writing import is_formula

SEPARATOR = ";"
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_PART = re.compile(r"(?:[^;\\]|\\.)*", re.DOTALL)


def join_names(names: Iterable[str]) -> str:
    """Joins names into one cell, sorted and separated by semicolons. A backslash escapes special characters.

    Some spreadsheets split a cell at its semicolons. The escapes make sure that no part begins a formula or a new line.
    """
    return SEPARATOR.join(map(_escape, sorted(names)))


def split_names(cell: str) -> list[str]:
    """Splits a cell into names, without empty names and outer spaces.

    Raises ValueError if the cell ends in a backslash.
    """
    names = (part.strip() for part in _parts(cell))
    return [_ESCAPED.sub(_unescaped, name) for name in names if name]


def _escape(name: str) -> str:
    inner = name.strip()
    start = name.index(inner) if inner else 0
    edges = {*range(start), *range(start + len(inner), len(name))}
    begins_formula = is_formula(name) or name.startswith("'")
    return "".join(
        _escaped(char)
        if position in edges or char in ";\\" or not _is_plain(char) or (begins_formula and position == 0)
        else char
        for position, char in enumerate(name)
    )


def _is_plain(char: str) -> bool:
    """False for line breaks and control characters, because other programs change them or cut the text there."""
    return char == " " or char.isprintable() or ord(char) > 0xFFFF


def _escaped(char: str) -> str:
    return f"\\{char}" if char.isprintable() and char not in " u" else f"\\u{ord(char):04x}"


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else match[2]


def _parts(cell: str) -> Iterator[str]:
    start = 0
    while start <= len(cell):
        match = _PART.match(cell, start)
        end = match.end() if match else start
        if end < len(cell) and cell[end] == "\\":
            raise ValueError(
                "A backslash stands before the character that it keeps from meaning something else: write \\\\ for one."
            )
        yield cell[start:end]
        start = end + 1
