"""Columns of an account list, for export and import. The import of an unchanged export changes nothing."""

from accounts.models import User
from csv_files import CannotImport
from csv_files.columns import Columns, only_one
from csv_files.words import listed, plain

# Column -> help text for the users who fill in its cells.
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
# Role value -> label, such as "sales" -> "Sales". A file can't make superusers, so they aren't included.
ROLES: dict[str, str] = dict(User._meta.get_field("role").flatchoices)
# Columns that are fields of the account's row and may be changed by an import.
ACCOUNT_FIELDS = tuple(name for name in ACCOUNT_COLUMNS if name not in ("username", "groups"))

Membership = User.groups.through


def recognise_account_columns(header: list[str]) -> Columns:
    """Finds the columns by their titles. Raises CannotImport if a title is unknown or double, or username is missing.

    If unknown titles were ignored, a misspelt column would be left out without a message.
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
    return Columns(header, {name: only_one(positions, header, name) for name, positions in positions_by_name.items()})


def cell_of(value: object) -> str:
    """Returns a stored value as the text of a CSV cell, such as True -> "yes".

    Spaces at the edges are left out, because an import removes them too.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).strip()
