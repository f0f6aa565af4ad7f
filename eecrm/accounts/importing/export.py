"""Accounts as CSV: the columns of `accounts.importing.columns`, never a password's hash, nothing that a spreadsheet would run."""

from collections.abc import Iterator

from access import policy
from access.policy import Caller, Scope
from accounts.importing.columns import ACCOUNT_COLUMNS, ACCOUNT_FIELDS, Membership, cell_of
from accounts.models import Export
from accounts.models.user import UserQuerySet
from csv_files.lists import join_names
from csv_files.writing import csv_text

# With it Excel takes the file for UTF-8; the import takes it off again.
BYTE_ORDER_MARK = "\ufeff"


def may_export(user: Caller) -> bool:
    """Whoever may list accounts, and may take personal data along."""
    return policy.rule(user, "user", "list").scope is Scope.ALL and policy.may_export_personal_data(user)


def exported(rows: UserQuerySet) -> UserQuerySet:
    """The accounts that an export holds: no superusers, whom no import would take."""
    return rows.filter(is_superuser=False).order_by("username")


def accounts_csv(rows: UserQuerySet, *, is_quiet: bool = True) -> tuple[str, int]:
    """The text, and how many accounts are in it. Leaves a record of it, which the trail keeps."""
    groups: dict[int, list[str]] = {}
    for user_id, name in Membership.objects.filter(user__in=rows.order_by().values("pk")).values_list(
        "user_id", "group__name"
    ):
        groups.setdefault(user_id, []).append(name)
    accounts = list(rows.values("pk", "username", *ACCOUNT_FIELDS))

    Export.objects.create(rows=len(accounts))
    from tqdm import tqdm  # only here, as in the import: who serves requests shows no progress

    def lines() -> Iterator[list[str]]:
        yield list(ACCOUNT_COLUMNS)
        for account in tqdm(accounts, desc="Exporting", unit=" accounts", disable=is_quiet):
            cells = account | {"groups": join_names(groups.get(account["pk"], ()))}
            yield [cell_of(cells[name]) for name in ACCOUNT_COLUMNS]

    return csv_text(lines()), len(accounts)
