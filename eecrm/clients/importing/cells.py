"""Reads the cells of a row as other programs write them: several values, spreadsheet numbers, links, line breaks."""

import re
from dataclasses import dataclass, field

from clients.importing.columns import ClientColumns
from clients.importing.names import split_name
from clients.importing.title_words import COUNTRY, FULL_NAME
from csv_files.countries import region_of
from csv_files.writing import unguarded

_MIN_PHONE_DIGITS = 6  # of each part of a cell that has several numbers
_PLAIN_ADDRESS = re.compile(r"[\w.+-]+@[\w.-]+")  # of most cells, which need no further look
_MAX_ADDRESSES_CHARS = 1_000  # The patterns take quadratic time, so longer cells are left to the field's validators.
_BETWEEN_ADDRESSES = re.compile(r":::|[;,|\n]|\s/\s")
_BETWEEN_PHONES = re.compile(r":::|[;,|\n]")
_IN_ANGLES = re.compile(r"<\s*([^<>]+@[^<>]+)>")
_MAILTO = re.compile(r"^mailto:([^?]*).*", re.IGNORECASE | re.DOTALL)
# pandas and LibreOffice write the whole numbers of a column with gaps so: 30901820.0.
_WHOLE_FLOAT = re.compile(r"(\+?[0-9]{4,})[.,]0+")
# Texts that people and databases write if they have no number.
_NOTHING = frozenset(("n/a", "na", "none", "null", "nil", "nc", "néant", "neant", "aucun", "\\n"))
_NO_NUMBER = re.compile(r"[\W_]*")
_BARE_INTERNATIONAL = re.compile(r"[1-9][0-9]{9,14}")


@dataclass
class ClientRow:
    """Values of a row by field. `several` has the fields whose cell had more values than the one that is used."""

    values: dict[str, str] = field(default_factory=dict)
    several: list[str] = field(default_factory=list)
    region: str | None = None  # ISO 3166-1 code of the row's country


def read_row(columns: ClientColumns, cells: list[str], default_country: str) -> ClientRow:
    """Reads the values of a row. `default_country` is the country of rows that name none."""
    row = ClientRow()
    for name in columns.positions:
        if name != COUNTRY:
            position = columns.position(name, cells)
            row.values[name] = _read(row, name, cells[position], position in columns.bare_numbers)
    if FULL_NAME in row.values:
        # Odoo writes the company before the name: `Petrova Arts, Olga Petrova`.
        name = row.values[FULL_NAME].removeprefix(f"{row.values['company_name']},").strip()
        row.values["first_name"], row.values["last_name"] = split_name(
            name, is_last_name_first=columns.is_last_name_first
        )
    _read_country(row, columns, cells, default_country)
    return row


def _read(row: ClientRow, name: str, cell: str, is_bare_number: bool) -> str:
    if name in ("phone", "mobile"):
        return _phone(row, name, cell.strip(), is_bare_number)
    text = unguarded(cell).strip() if "'" in cell else cell.strip()
    if name == "email":
        return _address(row, text)
    first, several, others = text.partition(":::")
    if several and others.strip(" :"):
        row.several.append(name)
    return " ".join(first.split())


def _address(row: ClientRow, text: str) -> str:
    """Returns the first email address of a cell: `Ann <ann@x.example>; bob@x.example` -> `ann@x.example`."""
    if _PLAIN_ADDRESS.fullmatch(text) or len(text) > _MAX_ADDRESSES_CHARS:
        return text
    parts = [part for part in _BETWEEN_ADDRESSES.split(text) if "@" in part]
    if len(parts) == 1 and parts[0].count("@") > 1 and "<" not in parts[0]:
        parts = [part for part in parts[0].split() if "@" in part]
    if len(parts) > 1:
        row.several.append("email")
    address = parts[0].strip() if parts else text
    if match := _IN_ANGLES.search(address):
        address = match[1]
    return _MAILTO.sub(r"\1", address.strip(" \t\r\n'\"\ufeff"))


def _phone(row: ClientRow, name: str, text: str, is_bare: bool) -> str:
    if text.casefold() in _NOTHING or _NO_NUMBER.fullmatch(text):
        return ""
    parts = [part.strip() for part in _BETWEEN_PHONES.split(text) if part.strip()]
    if len(parts) > 1 and all(sum(map(str.isdigit, part)) >= _MIN_PHONE_DIGITS for part in parts):
        row.several.append(name)
        text = parts[0]
    if whole := _WHOLE_FLOAT.fullmatch(text):
        text = whole[1]
    return f"+{text}" if is_bare and _BARE_INTERNATIONAL.fullmatch(text) else text


def _read_country(row: ClientRow, columns: ClientColumns, cells: list[str], default: str) -> None:
    """Takes the first cell that names a known country; if there is none, the first cell with a text."""
    texts = [cells[position].strip() for position in columns.positions.get(COUNTRY, ())]
    countries = [text.partition(":::")[0].strip() for text in texts if text] or [default]
    known = next((country for country in countries if region_of(country)), countries[0])
    row.values[COUNTRY], row.region = known, region_of(known)
