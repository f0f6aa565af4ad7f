"""Columns of an account list, for export and import. The import of an unchanged export changes nothing."""

from accounts.models import User
from csv_files import CannotImport
from csv_files.columns import Columns, only_one
from csv_files.words import listed, plain

# Maps each column of an account list to its help text for the users who fill in the file.
ACCOUNT_COLUMNS = {
    "username": "Required: who it is. Case makes no difference.",
    "first_name": "",
    "last_name": "",
    "email": "A new account that is active needs one. Another one for an account in use waits until it is confirmed.",
    "role": "external, sales, support, management or auditor; a new account without this column is external.",
    "job_title": "",
    "mobile": "With + and the country code: +33612345678.",
    "groups": (
        "Names of groups, separated by semicolons; a backslash before one that belongs to a name. They replace the"
        " account's groups."
    ),
    "is_active": "yes or no; a new account without this column is active.",
}
# Maps each role to its label, for example `sales` -> `Sales`. Superusers are missing: no file can create them.
ROLES: dict[str, str] = dict(User._meta.get_field("role").flatchoices)
# Fields of an account's row that an import may change: all columns except `username` and `groups`.
ACCOUNT_FIELDS = tuple(name for name in ACCOUNT_COLUMNS if name not in ("username", "groups"))

Membership = User.groups.through


def recognise_account_columns(header: list[str]) -> Columns:
    """Finds the positions of the known columns by their titles in the header.

    Raises CannotImport if a title is unknown or occurs twice, or if the column `username` is missing. If unknown titles
    were ignored, an import would skip a misspelt column without a message.
    """
    known = {plain(name): name for name in ACCOUNT_COLUMNS}
    positions_by_name: dict[str, list[int]] = {}
    for position, title in enumerate(header):
        positions_by_name.setdefault(known.get(plain(title), ""), []).append(position)
    if unknown := positions_by_name.pop("", None):
        strange = listed([header[position] for position in unknown])
        raise CannotImport(f"Unknown columns: {strange}. The columns of accounts are {', '.join(ACCOUNT_COLUMNS)}.")
    if "username" not in positions_by_name:
        raise CannotImport(f"There is no column username. The file has: {listed(header)}.")
    return Columns(header, {name: [only_one(positions, header, name)] for name, positions in positions_by_name.items()})


def cell_of(value: object) -> str:
    """Returns a stored value as the text of a CSV cell, for example True -> "yes".

    Removes spaces at both ends of the text, because an import removes them, too.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).strip()
