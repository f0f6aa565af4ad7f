"""Accounts as CSV: the columns of `accounts.importing.columns`, no password hashes, no formulas for spreadsheets."""

from collections.abc import Iterator

from access import policy
from access.policy import Caller, Scope
from accounts.importing.columns import ACCOUNT_COLUMNS, ACCOUNT_FIELDS, Membership, cell_of
from accounts.models import Export
from accounts.models.user import UserQuerySet
from csv_files.lists import join_names
from csv_files.writing import csv_text

# Excel needs this mark to read the file as UTF-8. The import removes it.
BYTE_ORDER_MARK = "\ufeff"


def may_export(user: Caller) -> bool:
    """Returns True if the user may list all accounts and export personal data."""
    return policy.rule(user, "user", "list").scope is Scope.ALL and policy.may_export_personal_data(user)


def exported(rows: UserQuerySet) -> UserQuerySet:
    """Returns the accounts that an export contains: no superusers, because the import refuses them."""
    return rows.filter(is_superuser=False).order_by("username")


def accounts_csv(rows: UserQuerySet, *, is_quiet: bool = True) -> tuple[str, int]:
    """Returns the CSV text and the number of accounts in it. Inserts an Export row, which the audit trail records."""
    groups: dict[int, list[str]] = {}
    for user_id, name in Membership.objects.filter(user__in=rows.order_by().values("pk")).values_list(
        "user_id", "group__name"
    ):
        groups.setdefault(user_id, []).append(name)
    accounts = list(rows.values("pk", "username", *ACCOUNT_FIELDS))

    Export.objects.create(rows=len(accounts))
    from tqdm import tqdm  # imported here, because a web process shows no progress

    def lines() -> Iterator[list[str]]:
        yield list(ACCOUNT_COLUMNS)
        for account in tqdm(accounts, desc="Exporting", unit=" accounts", disable=is_quiet):
            cells = account | {"groups": join_names(groups.get(account["pk"], ()))}
            yield [cell_of(cells[name]) for name in ACCOUNT_COLUMNS]

    return csv_text(lines()), len(accounts)
