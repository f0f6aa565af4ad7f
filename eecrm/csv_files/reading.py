"""Reads a CSV file into rows of text. It detects the encoding and the delimiter."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from csv_files import CannotImport

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}

# Encodings that can be detected. cp1252 (Western European) is the only Windows code page.
# Western and Central European code pages can't be told apart by the few accented letters of a text.
_ENCODINGS = ["utf_8", "utf_16", "utf_16_le", "utf_16_be", "utf_32", "cp1252"]


class Record(NamedTuple):
    line: int  # line number of the record's first line, as in an editor
    cells: list[str]


@dataclass(frozen=True)
class Table:
    encoding: str
    delimiter: str
    header: list[str]
    records: list[Record]


def read_table(path: Path, *, encoding: str | None = None, delimiter: str | None = None) -> Table:
    """Reads a CSV file into a table. It detects the encoding and the delimiter unless they are given.

    Raises CannotImport if the file can't be read as CSV.
    """
    return parse_table(_bytes_of(path), str(path), encoding=encoding, delimiter=delimiter)


def parse_table(raw: bytes, name: str, *, encoding: str | None = None, delimiter: str | None = None) -> Table:
    """Reads the content of a CSV file into a table. Error messages use `name` as the name of the file.

    Raises CannotImport if the content can't be read as CSV.
    """
    text, encoding = _decode_as(raw, encoding, name) if encoding else _decode(raw, name)
    text = text.removeprefix("\ufeff")
    delimiter = delimiter or _delimiter_of(text)
    records = list(_records(text, delimiter))
    if not records:
        raise CannotImport(f"{name} is empty.")
    return Table(encoding, delimiter, [cell.strip() for cell in records[0].cells], records[1:])


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except IsADirectoryError:
        raise CannotImport(f"{path} is a directory: name a file.") from None
    except FileNotFoundError:
        raise CannotImport(f"{path} doesn't exist.") from None
    except (OSError, ValueError) as error:  # ValueError: the path contains a NUL character
        raise CannotImport(f"{path} can't be read: {getattr(error, 'strerror', None) or error}.") from None


def _decode_as(raw: bytes, encoding: str, name: str) -> tuple[str, str]:
    try:
        text = raw.decode(encoding)
        text.encode()  # fails for lone surrogates, which the codecs utf-7 and unicode_escape can produce
        return text, encoding
    except LookupError:
        raise CannotImport(f"'{encoding}' isn't an encoding of text: try utf-8, utf-16 or cp1252.") from None
    except UnicodeError:
        raise CannotImport(f"{name} isn't encoded in {encoding}: name another with --encoding, or none.") from None


def _decode(raw: bytes, name: str) -> tuple[str, str]:
    # Bytes with NULs aren't read as UTF-8, because such bytes may be UTF-16.
    # UTF-16 without a byte order mark can be valid UTF-8 with many NULs.
    if b"\0" not in raw:
        try:
            return raw.decode(), "utf-8"
        except UnicodeDecodeError:
            pass
    # Python loads charset_normalizer only here, because loading it takes longer than importing a whole CSV file.
    # Most files are UTF-8, and need no detection of the encoding by charset_normalizer.
    import charset_normalizer

    best = charset_normalizer.from_bytes(raw, cp_isolation=_ENCODINGS).best()
    if best is None:
        raise CannotImport(
            f"{name} isn't text in an encoding that can be found out. If it is a spreadsheet, save it as CSV first;"
            " if it is text, save it as UTF-8, or name its encoding to the command with --encoding."
        )
    return str(best), best.encoding.replace("_", "-")


def _delimiter_of(text: str) -> str:
    """Returns the delimiter that splits the header into the most columns."""

    def columns(delimiter: str) -> int:
        try:
            return max((len(record.cells) for record in islice(_records(text, delimiter), 1)), default=0)
        except CannotImport:
            return 0

    return max(DELIMITERS, key=columns)


def _records(text: str, delimiter: str) -> Iterator[Record]:
    """Yields the records (rows) of a CSV text. Blank rows are skipped: spreadsheets often add some at the end."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield Record(line, cells)
            line = reader.line_num + 1
    except csv.Error as error:
        raise CannotImport(f"Line {line} can't be read as CSV ({error}): look at its quotation marks.") from None
