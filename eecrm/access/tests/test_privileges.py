"""What PostgreSQL lets each role do, against a list that somebody has read (`security.md` 24): no privilege changes unseen."""

from collections import defaultdict
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest

from access.grants import actual, privilege_differences, wanted_policies
from access.report_views import wanted_views

LIST = Path(__file__).with_name("privileges.txt")


def lines() -> Iterator[str]:
    columns: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for grant in actual():
        columns[grant.table, grant.role, grant.command].append(grant.column)
    for (table, role, command), names in sorted(columns.items()):
        listed = f" ({', '.join(sorted(names))})" if all(names) else ""
        yield f"GRANT {command}{listed} ON {table} TO {role}"
    for policy in sorted(wanted_policies()):
        yield policy.create()
    for view in sorted(wanted_views().values()):
        yield view.create()


def test_the_catalogue_is_the_list(db: None) -> None:
    """After a change that is meant, read the difference, and put it into the list."""
    assert privilege_differences() == []
    difference = "\n".join(unified_diff(LIST.read_text().splitlines(), list(lines()), "the list", "PostgreSQL", n=0))
    assert not difference, f"privileges have changed:\n{difference}"


def test_a_column_that_was_dropped_has_no_privileges(db: None, migrator: Any) -> None:
    """PostgreSQL keeps them beside what is left of it. Once, a migration back and forward ended at them."""
    with migrator.cursor() as cursor:
        cursor.execute("CREATE TABLE eecrm.passing (kept int, dropped int)")
        try:
            cursor.execute("GRANT SELECT (dropped) ON eecrm.passing TO eecrm_auditor")
            cursor.execute("ALTER TABLE eecrm.passing DROP dropped")
            assert privilege_differences() == []
        finally:
            cursor.execute("DROP TABLE eecrm.passing")


@pytest.mark.parametrize(
    "grant",
    ["SELECT ON accounts_user", "SELECT (password) ON accounts_user", "EXECUTE ON FUNCTION refuse(text)", "USAGE ON SEQUENCE clients_client_id_seq"],
)  # fmt: skip
def test_what_is_granted_to_everybody_is_seen_and_taken_back(grant: str, db: None, migrator: Any) -> None:
    with migrator.cursor() as cursor:
        cursor.execute(f"GRANT {grant} TO PUBLIC")
        try:
            (revoke,) = privilege_differences()
            cursor.execute(revoke)
            assert privilege_differences() == []
        finally:
            cursor.execute(f"REVOKE {grant} FROM PUBLIC")


@pytest.mark.parametrize(
    ("relation", "revokes"),
    [
        ("VIEW eecrm.passing", ["REVOKE SELECT ON passing FROM PUBLIC"]),
        ("MATERIALIZED VIEW eecrm.passing", ["REVOKE SELECT ON passing FROM PUBLIC"]),
        (
            "MATERIALIZED VIEW report.passing",
            ["REVOKE SELECT ON report.passing FROM PUBLIC", "REVOKE SELECT ON report.passing FROM eecrm_report"],
        ),
    ],
)
def test_a_view_of_a_stranger_is_closed(relation: str, revokes: list[str], db: None, migrator: Any) -> None:
    with migrator.cursor() as cursor:
        cursor.execute(f"CREATE {relation} AS SELECT password FROM accounts_user")
        try:
            cursor.execute(f"GRANT SELECT ON {relation.split()[-1]} TO PUBLIC")
            assert privilege_differences() == revokes
            for revoke in revokes:
                cursor.execute(revoke)
            assert privilege_differences() == []
        finally:
            cursor.execute(f"DROP {relation}")
