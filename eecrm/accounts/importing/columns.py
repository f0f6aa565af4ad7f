"""The columns of a list of accounts, as it is exported and imported: what is exported and imported again changes nothing."""

from accounts.models import User
from csv_files import CannotImport
from csv_files.columns import Columns, only_one
from csv_files.words import listed, plain

# Each with what its cells hold, for the people who fill them in.
ACCOUNT_COLUMNS = {
    "username": "Required: who it is. Case makes no difference.",
    "first_name": "",
    "last_name": "",
    "email": "A new account that is active needs one. Another one for an account in use waits until it is confirmed.",
    "role": "external, sales, support, management or auditor; a new account without this column is external.",
    "job_title": "",
    "mobile": "With + and the country code: +33612345678.",
    "groups": "Names of groups, separated by semicolons; a backslash before one that belongs to a name. They replace the account's groups.",
    "is_active": "yes or no; a new account without this column is active.",
}
# By what is stored, with their names for people. A superuser's isn't among them.
ROLES: dict[str, str] = dict(User._meta.get_field("role").flatchoices)
# The columns that are fields of the account's own row, and may change.
ACCOUNT_FIELDS = tuple(name for name in ACCOUNT_COLUMNS if name not in ("username", "groups"))

Membership = User.groups.through


def recognise_account_columns(header: list[str]) -> Columns:
    """The columns by their titles. An unknown one is refused: misspelt, it would be left out without a word."""
    known = {plain(name): name for name in ACCOUNT_COLUMNS}
    found: dict[str, list[int]] = {}
    for position, title in enumerate(header):
        found.setdefault(known.get(plain(title), ""), []).append(position)
    if unknown := found.pop("", None):
        strange = listed([header[position] for position in unknown])
        raise CannotImport(f"Unknown columns: {strange}. The columns of accounts are {', '.join(ACCOUNT_COLUMNS)}.")
    if "username" not in found:
        raise CannotImport(f"There is no column username. The file has: {listed(header)}.")
    return Columns(header, {name: only_one(positions, header, name) for name, positions in found.items()})


def cell_of(value: object) -> str:
    """What is stored in a field, as its cell. Spaces at its edges aren't exported, as no import would keep them."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).strip()
