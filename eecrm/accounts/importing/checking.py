"""Checks the rows of an account list without the database. `accounts.importing.planning` does the other checks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError

from access.policy import Role
from accounts.importing.columns import ROLES, recognise_account_columns
from accounts.models import User, normalise_username
from csv_files import CannotImport
from csv_files.columns import Columns
from csv_files.lists import split_names
from csv_files.problems import Problem, malformed
from csv_files.reading import Record, Table
from csv_files.words import quoted
from csv_files.writing import unguarded

_YES_AND_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
# The model's own validation checks these columns. Each other column holds a role, a yes/no value, or names of groups.
_TEXTS = ("username", "first_name", "last_name", "email", "job_title", "mobile")
_NOT_TEXTS = frozenset(known.name for known in User._meta.fields) - {*_TEXTS}


@dataclass(frozen=True)
class CheckedRow:
    """A valid row of the file.

    `values` maps each field that has a column in the file to its value, for example `email` -> `ann@epic.example`.
    """

    line: int
    username: str
    values: dict[str, str | bool]
    groups: frozenset[str] | None  # names of groups; None if the file has no column `groups`


@dataclass
class Checked:
    columns: Columns
    entries: list[CheckedRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def check_accounts(table: Table, *, is_quiet: bool) -> Checked:
    """Checks every row of an account list. Returns the valid rows, and the problems of the other rows.

    Raises CannotImport if the table has unknown or missing columns, or no rows.
    """
    columns = recognise_account_columns(table.header)
    if not table.records:
        raise CannotImport("The file names its columns, but has no rows.")
    from tqdm import tqdm

    checked, lines = Checked(columns), dict[str, int]()
    for record in tqdm(table.records, desc="Checking", unit=" rows", disable=is_quiet):
        entry, problems = _check_row(record, columns)
        if entry and (first := lines.setdefault(entry.username, record.line)) != record.line:
            sentence = f"{quoted(entry.username)} stands on line {first} already: one row for each account."
            problems = [Problem(record.line, sentence, columns.title("username"))]
        if entry and not problems:
            checked.entries.append(entry)
        checked.problems += problems
    return checked


def _check_row(record: Record, columns: Columns) -> tuple[CheckedRow | None, list[Problem]]:
    if malformed_cells := list(malformed(record, columns)):
        return None, malformed_cells
    cells = {name: unguarded(cell).strip() for name, cell in columns.values(record.cells).items()}
    user = User(**{name: cells[name] for name in _TEXTS if name in cells})
    user.username = normalise_username(user.username)
    problems = [Problem(record.line, sentence, columns.title(name)) for name, sentence in _invalid_cells(user)]
    values: dict[str, str | bool] = {name: str(getattr(user, name)) for name in _TEXTS[1:] if name in cells}
    for name, read in _READERS.items():
        try:
            if name in cells:
                values[name] = read(cells[name])
        except ValueError as error:
            problems.append(Problem(record.line, str(error), columns.title(name)))
    groups = None
    try:
        groups = _groups(cells.get("groups"))
    except ValueError as error:
        problems.append(Problem(record.line, str(error), columns.title("groups")))
    return CheckedRow(record.line, user.username, values, groups), problems


def _invalid_cells(user: User) -> Iterator[tuple[str, str]]:
    try:
        user.clean_fields(exclude=_NOT_TEXTS)
    except ValidationError as error:
        for name, sentences in error.message_dict.items():
            yield name, " ".join(sentences)


def _read_role(text: str) -> str:
    role = text.lower()
    if role == Role.SUPERUSER:
        raise ValueError("A file makes no superusers: that is done with createsuperuser on the server.")
    if role not in ROLES:
        *others, last = ROLES
        fault = f"{quoted(text)} isn't a role" if text else "An account has a role"
        raise ValueError(f"{fault}: write {', '.join(others)} or {last}.")
    return role


def _read_activity(text: str) -> bool:
    try:
        return _YES_AND_NO[text.lower()]
    except KeyError:
        raise ValueError(f"{quoted(text)} is neither yes nor no.") from None


_READERS: dict[str, Callable[[str], str | bool]] = {"role": _read_role, "is_active": _read_activity}


def _groups(cell: str | None) -> frozenset[str] | None:
    if cell is None:
        return None
    return frozenset(split_names(cell))
