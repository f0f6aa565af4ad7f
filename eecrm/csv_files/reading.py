"""Reads a CSV file into rows of text. It detects the encoding, the delimiter and the row of titles."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from django.utils.translation import gettext, gettext_noop

from csv_files import CannotImport
from csv_files.encodings import decode, decode_as

DELIMITERS = {
    ",": gettext_noop("commas"),
    ";": gettext_noop("semicolons"),
    "\t": gettext_noop("tabs"),
    "|": gettext_noop("pipes"),
}
MAX_TITLE_ROW = 50  # The row of titles is sought among so many rows, because programs write remarks above it.

# Excel writes this line before the titles, and reads the delimiter from it.
_DELIMITER_LINE = re.compile(r'"?sep=(.)"?[;,\t]*(?:\r\n|\r|\n)', re.IGNORECASE)
_END_OF_FILE_MARK = "\x1a"  # Ctrl-Z, with which DOS programs end a text


class Record(NamedTuple):
    line: int  # line number of the record's first line, as in an editor
    cells: list[str]
    follows_gap: bool = False  # True if blank lines or blank rows are before the record


@dataclass(frozen=True)
class Table:
    encoding: str
    delimiter: str
    header: list[str]
    records: list[Record]
    preamble: list[Record] = field(default_factory=list)  # rows above the titles


def read_table(
    path: Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    count_titles: Callable[[list[str]], int] | None = None,
) -> Table:
    """Reads a CSV file into a table, as `parse_table` does.

    Raises CannotImport if the file can't be read as CSV.
    """
    return parse_table(_bytes_of(path), str(path), encoding=encoding, delimiter=delimiter, count_titles=count_titles)


def parse_table(
    raw: bytes,
    name: str,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    count_titles: Callable[[list[str]], int] | None = None,
) -> Table:
    """Reads the content of a CSV file into a table. It detects the encoding and the delimiter unless they are given.

    `count_titles` returns the number of required titles in a row: the first row with the most of them is the header.
    Without it the first row is the header. Error messages use `name` as the name of the file. Raises CannotImport if
    the content can't be read as CSV.
    """
    text, encoding = decode_as(raw, encoding, name) if encoding else decode(raw, name)
    text = _without_end_mark(text.removeprefix("\ufeff"))
    first_line = 1
    if delimiter_line := _DELIMITER_LINE.match(text):
        delimiter = delimiter or delimiter_line[1]
        text, first_line = text[delimiter_line.end() :], 2
    delimiter = delimiter or _delimiter_of(text, count_titles)
    records = list(_records(text, delimiter, first_line))
    if not records:
        raise CannotImport(gettext("%(file)s is empty.") % {"file": name})
    place = _title_row(records[:MAX_TITLE_ROW], count_titles)
    header = [cell.strip() for cell in records[place].cells]
    return Table(encoding, delimiter, header, records[place + 1 :], records[:place])


def _without_end_mark(text: str) -> str:
    length = len(text.rstrip(_END_OF_FILE_MARK + "\0 \t\r\n"))
    mark = text.find(_END_OF_FILE_MARK, length)
    return text if mark < 0 else text[:mark]


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except IsADirectoryError:
        raise CannotImport(gettext("%(file)s is a directory: name a file.") % {"file": path}) from None
    except FileNotFoundError:
        raise CannotImport(gettext("%(file)s doesn't exist.") % {"file": path}) from None
    except (OSError, ValueError) as error:  # ValueError: the path contains a NUL character
        reason = getattr(error, "strerror", None) or error
        raise CannotImport(gettext("%(file)s can't be read: %(reason)s.") % {"file": path, "reason": reason}) from None


def _title_row(records: list[Record], count_titles: Callable[[list[str]], int] | None) -> int:
    """Returns the position of the first row that has the most required titles."""
    if count_titles is None:
        return 0
    return max(range(len(records)), key=lambda place: (count_titles(records[place].cells), -place))


def _delimiter_of(text: str, count_titles: Callable[[list[str]], int] | None) -> str:
    """Returns the delimiter that splits the header into the most required titles, and then into the most columns."""

    def titles_and_columns(delimiter: str) -> tuple[int, int]:
        try:
            records = list(islice(_records(text, delimiter), MAX_TITLE_ROW if count_titles else 1))
        except CannotImport:
            return 0, 0
        if not records:
            return 0, 0
        header = records[_title_row(records, count_titles)].cells
        return count_titles(header) if count_titles else 0, len(header)

    return max(DELIMITERS, key=titles_and_columns)


def _records(text: str, delimiter: str, first_line: int = 1) -> Iterator[Record]:
    """Yields the records (rows) of a CSV text. Blank rows are skipped: spreadsheets often add some at the end."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line, follows_gap = first_line, False
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield Record(line, cells, follows_gap)
                follows_gap = False
            else:
                follows_gap = True
            line = reader.line_num + first_line
    except csv.Error as error:
        sentence = gettext("Line %(line)s can't be read as CSV (%(error)s): look at its quotation marks.")
        raise CannotImport(sentence % {"line": f"{line:,}", "error": error}) from None
