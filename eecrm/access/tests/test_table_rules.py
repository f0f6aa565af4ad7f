"""A rule of a table that was changed by hand is a difference, `sync_database` puts it right, and no migration takes it in."""

from typing import Any

import pytest
from django.core.management.base import CommandError
from django.test import Client as Browser

from access.grants import privilege_differences
from access.management.commands import sync_database
from access.table_rules import _RULES, _by_meaning, _present
from access.tests.test_database_roles import run_as_migrator

_CHECK = "ALTER TABLE clients_client ADD CONSTRAINT client_names_filled CHECK"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("ALTER TABLE clients_client DROP CONSTRAINT client_names_filled", [_CHECK]),
        (
            "ALTER TABLE clients_client DROP CONSTRAINT client_names_filled, ADD CONSTRAINT client_names_filled CHECK (true)",
            ["ALTER TABLE clients_client DROP CONSTRAINT client_names_filled", _CHECK],
        ),
        (
            "ALTER TABLE events_event ALTER contract_id DROP NOT NULL",
            ["ALTER TABLE events_event ALTER contract_id SET NOT NULL"],
        ),
        (
            "ALTER TABLE contracts_contract ALTER client_id SET DEFAULT 1",
            ["ALTER TABLE contracts_contract ALTER client_id DROP DEFAULT"],
        ),
        (
            "ALTER TABLE clients_client ALTER status SET DEFAULT 'signed'",
            [
                "ALTER TABLE clients_client ALTER status DROP DEFAULT",
                "ALTER TABLE clients_client ALTER status SET DEFAULT 'prospect'",
            ],
        ),
        (
            "ALTER TABLE events_event ALTER version DROP DEFAULT",
            ["ALTER TABLE events_event ALTER version SET DEFAULT 1"],
        ),
        ("DROP INDEX user_username_once", ["CREATE UNIQUE INDEX user_username_once ON"]),
        (
            "ALTER TABLE clients_client DROP CONSTRAINT client_sales_contact CASCADE",
            [
                "ALTER TABLE clients_client ADD CONSTRAINT client_sales_contact UNIQUE (sales_contact_id, id)",
                "ALTER TABLE contracts_contract ADD CONSTRAINT",
            ],
        ),
        (
            "CREATE RULE keep AS ON DELETE TO clients_client DO INSTEAD NOTHING",
            ["DROP RULE keep ON clients_client"],
        ),
        (
            "CREATE FUNCTION report.spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
            "CREATE TRIGGER spy BEFORE DELETE ON clients_client FOR EACH ROW EXECUTE FUNCTION report.spy()",
            ["DROP TRIGGER spy ON clients_client"],
        ),
        ("GRANT DELETE ON clients_client TO eecrm_backup", ["REVOKE DELETE ON clients_client FROM eecrm_backup"]),
        ("GRANT SELECT ON accounts_user TO eecrm_sales", ["REVOKE SELECT ON accounts_user FROM eecrm_sales"]),
        ("REVOKE SELECT ON clients_client FROM eecrm_backup", ["GRANT SELECT ON clients_client TO eecrm_backup"]),
        (
            "GRANT DELETE ON clients_client TO eecrm_sales WITH GRANT OPTION",
            ["REVOKE GRANT OPTION FOR DELETE ON clients_client FROM eecrm_sales"],
        ),
    ],
)
def test_a_rule_that_was_changed_by_hand_is_put_right(
    statement: str, expected: list[str], in_the_open: None, migrator: Any
) -> None:
    before = _present()
    with migrator.cursor() as cursor:
        cursor.execute(statement)
        try:
            differences = privilege_differences()
            assert [found.startswith(start) for found, start in zip(differences, expected, strict=True)] == [
                True
            ] * len(expected), differences
            assert Browser().get("/health/ready/").status_code == 503
        finally:
            run_as_migrator("sync_database")
            cursor.execute("DROP FUNCTION IF EXISTS report.spy")
    assert privilege_differences() == []
    assert _present() == before


def test_what_is_left_after_some_turns_is_told(in_the_open: None, migrator: Any, monkeypatch: Any) -> None:
    """A REVOKE on the table also takes the grants on its columns, which the second turn gives again."""
    with migrator.cursor() as cursor:
        cursor.execute("GRANT SELECT ON accounts_user TO eecrm_sales")
    try:
        with monkeypatch.context() as patch, pytest.raises(CommandError, match="still differs from the code") as error:
            patch.setattr(sync_database, "_MAX_TURNS", 1)
            run_as_migrator("sync_database")
        assert "GRANT SELECT" in str(error.value)
    finally:
        run_as_migrator("sync_database")
    assert privilege_differences() == []


def test_a_rule_as_postgresql_words_it_again_is_the_same(in_the_open: None, migrator: Any) -> None:
    """As after the restore of a dump, where each rule is made from PostgreSQL's own words."""
    before = {drop: add for drop, add in _present().values() if " CHECK " in add or " WHERE " in add}
    migrator.autocommit = False
    try:
        with migrator.cursor() as cursor:
            for statements in before.items():
                for statement in statements:
                    cursor.execute(statement)
            cursor.execute(_RULES)
            again = cursor.fetchall()
    finally:
        migrator.rollback()
        migrator.autocommit = True
    assert {drop: add for drop, add in again if drop in before} != before, "PostgreSQL words nothing in another way"
    assert _by_meaning(again).keys() == _present().keys()


def test_no_migration_takes_in_what_was_changed_by_hand(in_the_open: None, migrator: Any) -> None:
    before = _present()
    with migrator.cursor() as cursor:
        cursor.execute("CREATE RULE keep AS ON DELETE TO clients_client DO INSTEAD NOTHING")
        try:
            assert "DROP RULE keep" not in run_as_migrator("migrate", "--plan")
            assert "DROP RULE keep ON clients_client" in run_as_migrator("migrate", "--fake", "clients", "0001")
            assert _present() == before
        finally:
            run_as_migrator("migrate", "--fake")
    assert privilege_differences() == []
