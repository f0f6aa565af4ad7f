"""Exports accounts as CSV, with the columns of `accounts.importing.columns`.

The file has no password hashes, and no cell that a spreadsheet would execute as a formula.
"""

from collections.abc import Iterator

from access import policy
from access.policy import Caller, Scope
from accounts.importing.columns import ACCOUNT_COLUMNS, ACCOUNT_FIELDS, Membership, cell_of
from accounts.models import Export
from accounts.models.user import UserQuerySet
from csv_files.lists import join_names
from csv_files.writing import csv_text


def may_export(user: Caller) -> bool:
    """Returns True if the user may list all accounts and export personal data."""
    return policy.rule(user, "user", "list").scope is Scope.ALL and policy.may_export_personal_data(user)


def exported(rows: UserQuerySet) -> UserQuerySet:
    """Returns those accounts that an export contains. Superusers are left out, because an import refuses them."""
    return rows.filter(is_superuser=False).order_by("username")


def accounts_csv(rows: UserQuerySet, *, is_quiet: bool = True) -> tuple[str, int]:
    """Returns the CSV text and the number of accounts in it. Inserts an `Export` row, so that the trail records it."""
    groups: dict[int, list[str]] = {}
    for user_id, name in Membership.objects.filter(user__in=rows.order_by().values("pk")).values_list(
        "user_id", "group__name"
    ):
        groups.setdefault(user_id, []).append(name)
    accounts = list(rows.values("pk", "username", *ACCOUNT_FIELDS))

    Export.objects.create(rows=len(accounts))
    from tqdm import tqdm  # imported here, because web processes without exports don't need it

    def lines() -> Iterator[list[str]]:
        yield list(ACCOUNT_COLUMNS)
        for account in tqdm(accounts, desc="Exporting", unit=" accounts", disable=is_quiet):
            cells = account | {"groups": join_names(groups.get(account["pk"], ()))}
            yield [cell_of(cells[name]) for name in ACCOUNT_COLUMNS]

    return csv_text(lines()), len(accounts)
