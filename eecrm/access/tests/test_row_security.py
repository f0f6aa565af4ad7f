"""What PostgreSQL lets each role do with each row, and that nobody can switch it off unnoticed."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from access import policy, sql_functions
from access.database import acting_as
from access.grants import privilege_differences, wanted_policies
from access.policy import MATRIX_ROLES, Role, Scope
from access.row_security import BACKUP_ROLE, RowPolicy
from access.tests.test_database_roles import REFUSED, run, run_as_migrator
from accounts.login import tokens
from accounts.models import Cover
from audit.models import Entry
from conftest import PRIVILEGE, Caller, World, refused_with

NARROWED = ("clients_client", "contracts_contract", "events_event", '"audit"."entry"')


@pytest.mark.parametrize("table", NARROWED)
def test_a_role_without_a_person_owns_nothing(table: str, world: World) -> None:
    assert run(f"SELECT count(*) FROM {table}", Role.EXTERNAL) == [(0,)]
    assert run(f"SELECT count(*) FROM {table}", Role.EXTERNAL, world.users["unlinked"].pk) == [(0,)]
    assert run(f"SELECT count(*) FROM {table}", Role.EXTERNAL, world.users["partner"].pk) != [(0,)]


@pytest.mark.parametrize("table", NARROWED)
def test_who_switches_row_security_off_is_refused_and_not_shown_more(table: str, world: World) -> None:
    with acting_as(Role.EXTERNAL, user_id=world.users["partner"].pk), connection.cursor() as cursor:
        cursor.execute("SET LOCAL row_security = off")
        with refused_with(PRIVILEGE), transaction.atomic():
            cursor.execute(f"SELECT count(*) FROM {table}")
        cursor.execute("SET LOCAL row_security = on")


def test_a_partner_sees_one_client_with_all_that_follows(world: World) -> None:
    partner = world.users["partner"].pk
    assert run("SELECT id FROM clients_client", Role.EXTERNAL, partner) == [(world.own_client.pk,)]
    contracts = run("SELECT id FROM contracts_contract ORDER BY id", Role.EXTERNAL, partner)
    assert contracts == [(world.own_signed.pk,), (world.own_draft.pk,)]
    assert run("SELECT id FROM events_event", Role.EXTERNAL, partner) == [(world.own_event.pk,)]


def test_what_is_not_ones_own_is_neither_changed_nor_deleted_nor_given_away(world: World) -> None:
    sales, support = world.users["sales"].pk, world.users["support"].pk
    other_support = world.users["other_support"].pk
    for statement, role, person, outcome in (
        ("UPDATE contracts_contract SET name = 'x'", Role.SALES, sales, 2),
        (f"UPDATE contracts_contract SET name = 'x' WHERE id = {world.other_draft.pk}", Role.SALES, sales, 0),
        (f"DELETE FROM contracts_contract WHERE id = {world.other_draft.pk}", Role.SALES, sales, 0),
        ("UPDATE events_event SET notes = 'x'", Role.SUPPORT, support, 1),
        (f"DELETE FROM events_event WHERE id = {world.other_event.pk}", Role.SUPPORT, support, 0),
        (f"UPDATE events_event SET support_contact_id = {other_support}", Role.SUPPORT, support, REFUSED),
        (f"UPDATE clients_client SET sales_contact_id = {sales}", Role.SALES, sales, REFUSED),
        ("UPDATE clients_client SET account_id = NULL", Role.SALES, sales, REFUSED),
        ("UPDATE clients_client SET id = id + 1000000", Role.MANAGEMENT, None, REFUSED),
        ("UPDATE contracts_contract SET created_at = now()", Role.MANAGEMENT, None, REFUSED),
    ):
        assert run(statement, role, person) == outcome, statement


@pytest.mark.parametrize(
    ("statement", "own", "other"),
    [
        ("INSERT INTO clients_client (company_name, first_name, last_name, email, phone, mobile, sales_contact_id) "
         "VALUES ('X', 'X', 'X', 'x@x.example', '', '', {contact})", 1, REFUSED),
        ("INSERT INTO contracts_contract (client_id, name, amount, payment_due) VALUES ({client}, 'X', 1, '2027-01-01')", 1, REFUSED),
        ("INSERT INTO events_event (contract_id, name, attendees, starts_at, location, notes) "
         "VALUES ({signed}, 'X', 1, '2027-01-01', '', '')", 1, REFUSED),
    ],
)  # fmt: skip
def test_a_new_row_is_ones_own(statement: str, own: int, other: str, world: World) -> None:
    mine = {"contact": world.users["sales"].pk, "client": world.own_client.pk, "signed": world.own_signed.pk}
    theirs = {
        "contact": world.users["other_sales"].pk,
        "client": world.other_client.pk,
        "signed": world.other_signed.pk,
    }
    assert run(statement.format(**mine), Role.SALES, world.users["sales"].pk) == own
    assert run(statement.format(**theirs), Role.SALES, world.users["sales"].pk) == other


@pytest.mark.parametrize("role", MATRIX_ROLES)
def test_everybody_changes_their_own_profile_and_logins_and_no_others(role: str, world: World) -> None:
    name = {"external": "partner"}.get(role, role)
    person, other = world.users[name], world.users["unlinked"]
    for user in (person, other):
        tokens.log_in(user)
    may_change_all = role in (Role.MANAGEMENT, Role.SUPERUSER)
    changed = run(f"UPDATE accounts_user SET last_name = 'X' WHERE id IN ({person.pk}, {other.pk})", role, person.pk)
    assert changed == (2 if may_change_all else 1)
    assert run("UPDATE accounts_tokensession SET revoked_at = now()", role, person.pk) == 1
    assert run("SELECT user_id FROM accounts_tokensession", role, person.pk) == [(person.pk,)]


def test_nobody_writes_a_log_entry_in_anothers_name(world: World) -> None:
    manager, auditor = world.users["management"].pk, world.users["auditor"].pk
    statement = (
        "INSERT INTO django_admin_log (action_time, user_id, object_repr, action_flag, change_message) "
        f"VALUES (now(), {manager}, 'x', 1, '')"
    )
    assert run(statement, Role.MANAGEMENT, manager) == 1
    assert run(statement, Role.AUDITOR, auditor) == REFUSED


def test_history_is_read_of_what_one_sees_and_the_trail_by_whom_the_policy_lets(world: World) -> None:
    def tables(name: str) -> set[str]:
        person = world.users[name]
        with acting_as(person.effective_role, user_id=person.pk):
            return set(Entry.objects.values_list("table_name", flat=True))

    nouns = {"clients_client", "contracts_contract", "events_event"}
    assert tables("sales") == tables("support") == tables("partner") == nouns
    assert tables("unlinked") == set()
    assert tables("auditor") > nouns
    partner = world.users["partner"]
    with acting_as(Role.EXTERNAL, user_id=partner.pk):
        assert set(Entry.objects.filter(table_name="clients_client").values_list("row_key", flat=True)) == {
            str(world.own_client.pk)
        }


def test_searches_of_those_who_see_all_keep_their_index(world: World) -> None:
    """Words aren't compared before a condition that isn't constant: the operator could leak what it saw."""

    def plan(role: str) -> str:
        with acting_as(role, user_id=world.users["partner"].pk), connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("EXPLAIN SELECT id FROM clients_client WHERE search @@ to_tsquery('simple', 'own:*')")
            return "\n".join(line for (line,) in cursor.fetchall())

    for role in (Role.SALES, Role.SUPPORT, Role.MANAGEMENT, Role.AUDITOR, Role.SUPERUSER):
        assert "Bitmap Index Scan on client_search" in plan(role)
        assert "Filter" not in plan(role)
    assert "client_search" not in plan(Role.EXTERNAL)


def test_a_report_reads_every_row(world: World) -> None:
    narrowed = {one.table for one in wanted_policies()}
    assert {*NARROWED, "accounts_user", "accounts_tokensession", "accounts_cover"} <= narrowed
    readers = {(one.table, one.rows) for one in wanted_policies() if one.role == BACKUP_ROLE}
    assert readers == {(table, "true") for table in narrowed}


def test_what_a_row_becomes_is_asked_like_what_it_was(migrator: Any) -> None:
    with migrator.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), count(*) FILTER (WHERE pg_get_expr(polwithcheck, polrelid) = pg_get_expr(polqual, polrelid)) "
            "FROM pg_policy WHERE polcmd = 'w'"
        )
        updates, with_both = cursor.fetchone()
    assert updates == with_both > 10


def test_a_role_that_owns_nothing_of_a_kind_gets_no_row_of_it(monkeypatch: Any) -> None:
    monkeypatch.setitem(policy._scopes, ("contract", "delete", Role.SUPPORT), Scope.OWN)
    assert RowPolicy("contracts_contract", "eecrm_support", "DELETE", "false") in wanted_policies()


def _trigger_off(cursor: Any) -> None:
    cursor.execute("ALTER TABLE clients_client DISABLE TRIGGER trail")


def _trigger_gone(cursor: Any) -> None:
    cursor.execute("DROP TRIGGER trail ON clients_client")


def _body_altered(cursor: Any) -> None:
    cursor.execute(
        "CREATE OR REPLACE FUNCTION client_rules() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
    )


def _function_gone(cursor: Any) -> None:
    cursor.execute("DROP FUNCTION client_rules() CASCADE")


def _function_returns_otherwise(cursor: Any) -> None:
    _function_gone(cursor)
    cursor.execute("CREATE FUNCTION client_rules() RETURNS int LANGUAGE sql AS 'SELECT 1'")


def _function_overloaded(cursor: Any) -> None:
    cursor.execute("CREATE FUNCTION refuse(rule text, sentence text) RETURNS void LANGUAGE sql AS ''")


def _function_of_a_stranger(cursor: Any) -> None:
    cursor.execute("CREATE FUNCTION back_door() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'")


def _function_for_reports(cursor: Any) -> None:
    cursor.execute(
        "CREATE FUNCTION report.hashes() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER"
        " AS 'SELECT password FROM eecrm.accounts_user'; GRANT EXECUTE ON FUNCTION report.hashes TO eecrm_report"
    )


def _security_off(cursor: Any) -> None:
    cursor.execute("ALTER TABLE contracts_contract DISABLE ROW LEVEL SECURITY")


def _policy_gone(cursor: Any) -> None:
    cursor.execute("DROP POLICY eecrm_sales_delete ON contracts_contract")


def _policy_wider(cursor: Any) -> None:
    cursor.execute("ALTER POLICY eecrm_sales_delete ON contracts_contract USING (true)")


def _policy_of_a_stranger(cursor: Any) -> None:
    cursor.execute("CREATE POLICY open_door ON contracts_contract FOR SELECT TO eecrm_external USING (true)")


def _security_of_a_stranger(cursor: Any) -> None:
    cursor.execute("ALTER TABLE api_limit ENABLE ROW LEVEL SECURITY")


def drifts() -> list[str]:
    return [*sql_functions.function_differences(), *privilege_differences()]


@pytest.mark.parametrize(
    ("meddle", "cures"),
    [
        (_trigger_off, ["record"]),
        (_trigger_gone, ["record"]),
        (_body_altered, ["client_rules"]),
        (_function_gone, ["client_rules"]),
        (_function_returns_otherwise, ["client_rules"]),
        (_function_overloaded, ["refuse"]),
        (_function_of_a_stranger, ["back_door"]),
        (_function_for_reports, ["hashes", "REVOKE EXECUTE ON FUNCTION report.hashes() FROM eecrm_report"]),
        (_security_off, ["ALTER TABLE contracts_contract ENABLE ROW LEVEL SECURITY"]),
        (_policy_gone, ["CREATE POLICY eecrm_sales_delete ON contracts_contract"]),
        (_policy_wider, ["DROP POLICY eecrm_sales_delete ON contracts_contract", "CREATE POLICY eecrm_sales_delete ON contracts_contract"]),
        (_policy_of_a_stranger, ["DROP POLICY open_door ON contracts_contract"]),
        (_security_of_a_stranger, ["ALTER TABLE api_limit DISABLE ROW LEVEL SECURITY"]),
    ],
)  # fmt: skip
def test_a_drift_is_told_and_mended_and_the_server_is_not_ready_meanwhile(
    meddle: Callable[[Any], None], cures: list[str], in_the_open: None, migrator: Any
) -> None:
    anonymous = Caller()
    assert drifts() == []
    with migrator.cursor() as cursor:
        meddle(cursor)
    try:
        told = drifts()
        assert [line.startswith(cure) for line, cure in zip(told, cures, strict=True)] == [True] * len(cures)
        with pytest.raises(CommandError, match=f"differs from the code in {len(cures)} places"):
            call_command("sync_database", "--check", verbosity=0)
        answer = anonymous.get("/health/ready/")
        assert (answer.status_code, answer["Retry-After"]) == (503, "1")
        assert answer.json()["detail"] == f"The database differs from the code in {len(cures)} places."
    finally:
        run_as_migrator("sync_database")
    assert drifts() == []
    assert anonymous.get("/health/ready/").status_code == 200


def test_a_source_with_a_mistake_stops_the_sync(db: None) -> None:
    with refused_with("42601"):
        sql_functions.install({"words_of": "CREATE OR REPLACE FUNCTION words_of() no SQL"})


def test_cover_lends_in_the_database_too(world: World) -> None:
    sales, colleague = world.users["sales"].pk, world.users["other_sales"].pk
    change = f"UPDATE contracts_contract SET name = 'x' WHERE id = {world.other_draft.pk}"
    assert run(change, Role.SALES, sales) == 0
    with acting_as(Role.SUPERUSER), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_cover (colleague_id, substitute_id, ends_at, reason) "
            "VALUES (%s, %s, now() + interval '1 day', 'Leave')",
            [colleague, sales],
        )
    assert run(change, Role.SALES, sales) == 1
    with acting_as(Role.SUPERUSER):
        Cover.objects.end()
    assert run(change, Role.SALES, sales) == 0
