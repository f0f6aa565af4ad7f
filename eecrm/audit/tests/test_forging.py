"""Whoever talks SQL as the app role, in any role of a person or in none: can they forge the trail, or get around it?"""

import io
from functools import partial
from typing import Any

import psycopg2
import pytest

from access.policy import MATRIX_ROLES, Role
from audit.tests.conftest import Trail
from conftest import World

REFUSED = psycopg2.errors.InsufficientPrivilege
INSERT = "INSERT INTO audit.entry (table_name, row_key, operation, actor_name, role, channel, request_id, reason)"
FORBIDDEN = [
    INSERT + " VALUES ('clients_client', '1', 'delete', 'x', 'x', 'api', '', '')",
    "INSERT INTO audit.entry DEFAULT VALUES",
    "UPDATE audit.entry SET actor_name = 'x'", "UPDATE audit.entry SET new = NULL WHERE id = 1", "DELETE FROM audit.entry",
    "MERGE INTO audit.entry USING (SELECT 1) AS x ON false WHEN NOT MATCHED THEN INSERT DEFAULT VALUES",
    "TRUNCATE audit.entry", "LOCK TABLE audit.entry", "LOCK TABLE audit.entry IN ROW SHARE MODE", "COPY audit.entry FROM STDIN",
    "SELECT * FROM audit.entry FOR UPDATE", "SELECT * FROM audit.entry FOR KEY SHARE",
    "INSERT INTO audit.seal SELECT * FROM audit.seal", "UPDATE audit.seal SET hash = ''", "DELETE FROM audit.seal", "TRUNCATE audit.seal",
    "LOCK TABLE audit.seal", "SELECT * FROM audit.seal FOR UPDATE",
    "SELECT * FROM audit.boundary", "UPDATE audit.boundary SET last_id = 0", "DELETE FROM audit.boundary", "TRUNCATE audit.boundary",
    "SELECT * FROM audit.boundary FOR UPDATE", "LOCK TABLE audit.boundary",
    "SELECT setval('audit.entry_id_seq', 1)", "SELECT nextval('audit.entry_id_seq')", "SELECT last_value FROM audit.entry_id_seq",
    "ALTER SEQUENCE audit.entry_id_seq RESTART", "ALTER TABLE audit.entry ALTER id RESTART",
    "ALTER TABLE audit.entry DISABLE TRIGGER ALL", "ALTER TABLE audit.entry ADD CONSTRAINT none CHECK (false)", "DROP TABLE audit.entry",
    "CREATE RULE skip AS ON INSERT TO audit.entry DO INSTEAD NOTHING", "ALTER TABLE audit.entry ENABLE ROW LEVEL SECURITY",
    "CREATE TRIGGER skip BEFORE INSERT ON audit.entry FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE TABLE audit.mine (id int)", "CREATE FUNCTION audit.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "DROP SCHEMA audit CASCADE",
    "ALTER SCHEMA audit RENAME TO gone",
    "CREATE OR REPLACE FUNCTION audit.record() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "ALTER FUNCTION audit.record() SECURITY INVOKER", "ALTER FUNCTION audit.record() RESET ALL", "DROP FUNCTION audit.record() CASCADE",
    "CREATE OR REPLACE FUNCTION audit.seal_closed(most integer) RETURNS SETOF audit.seal LANGUAGE sql AS 'SELECT * FROM audit.seal'",
    "SELECT audit.record()", "DO $$ BEGIN PERFORM audit.record(); END $$",
    "CREATE TRIGGER trail AFTER INSERT ON django_session FOR EACH ROW EXECUTE FUNCTION audit.record('{}', '{}')",
    "ALTER TABLE clients_client DISABLE TRIGGER trail", "ALTER TABLE clients_client DISABLE TRIGGER USER", "DROP TRIGGER trail ON clients_client",
    "ALTER TRIGGER trail ON clients_client RENAME TO gone", "CREATE RULE skip AS ON DELETE TO clients_client DO INSTEAD NOTHING",
    "SET session_replication_role = replica", "SET LOCAL session_replication_role = 'local'",
    "SELECT set_config('session_replication_role', 'replica', true)", "ALTER ROLE eecrm_app SET session_replication_role = replica",
    "ALTER ROLE CURRENT_USER SET session_replication_role = replica",
    "SET ROLE eecrm_migrator", "SET ROLE eecrm_owner", "SET SESSION AUTHORIZATION eecrm_migrator",
    "CREATE TEMP TABLE accounts_user (id bigint, username text)", "CREATE TABLE eecrm.mine (id int)",
]  # fmt: skip
# Refused, but not for want of a privilege: functions of triggers can't be called, and reading is what readers may do.
OTHERWISE = {
    "SELECT audit.record()": psycopg2.errors.FeatureNotSupported,
    "DO $$ BEGIN PERFORM audit.record(); END $$": psycopg2.errors.FeatureNotSupported,
}


@pytest.mark.parametrize("role", ["none", *MATRIX_ROLES])
def test_the_trail_is_out_of_reach(role: Role | str, trail: Trail, other_connection: Any) -> None:
    """One transaction for each statement, in that role; afterwards all is as it was."""
    trail.seal_up_to(trail.grow(2)[1])
    before = [trail.run(f"SELECT * FROM audit.{table} ORDER BY 1") for table in ("entry", "seal", "boundary")]
    cursor, name = other_connection.cursor(), role if role == "none" else f"eecrm_{role}"
    for statement in FORBIDDEN:
        cursor.execute("SELECT set_config('role', %s, true)", [name])
        try:
            run = cursor.execute if "STDIN" not in statement else partial(cursor.copy_expert, file=io.StringIO())
            run(statement)
        except psycopg2.Error as error:
            allowed = (REFUSED, OTHERWISE.get(statement, REFUSED))
            assert isinstance(error, allowed), f"{statement}: {error!r}"
        else:
            pytest.fail(f"{statement} went through as {name}")
        other_connection.rollback()
    assert [trail.run(f"SELECT * FROM audit.{table} ORDER BY 1") for table in ("entry", "seal", "boundary")] == before


CHANGE = "UPDATE clients_client SET company_name = 'Changed' WHERE id = %s"


@pytest.mark.parametrize(
    ("setting", "value", "column", "told"),
    [
        ("eecrm.user_id", "", "actor_id", None),
        ("eecrm.user_id", "999999999999999999", "actor_id", 999999999999999999),
        ("eecrm.channel", "carrier pigeon", "channel", "sql"),
        ("eecrm.channel", "x" * 1_000_000, "channel", "sql"),
        ("eecrm.channel", "", "channel", "sql"),
        ("eecrm.request_id", "x" * 1_000_000, "request_id", "x" * 64),
        ("eecrm.request_id", "'); DROP TABLE audit.entry; --\n", "request_id", "'); DROP TABLE audit.entry; --\n"),
        ("eecrm.request_id", "é😀" * 100, "request_id", "é😀" * 32),
        ("eecrm.caller_request_id", "x" * 1_000_000, "caller_request_id", "x" * 64),
        ("eecrm.reason", "why " * 250_000, "reason", "why " * 500),
        ("eecrm.reason", "\u202e\ufeff", "reason", "\u202e\ufeff"),
        ("search_path", "pg_temp, public, audit", "table_name", "clients_client"),
        ("timezone", "Asia/Kolkata", "row_key", None),
        ("datestyle", "sql, dmy", "row_key", None),
        ("standard_conforming_strings", "off", "operation", "update"),
        ("transform_null_equals", "on", "operation", "update"),
        ("check_function_bodies", "off", "operation", "update"),
        ("quote_all_identifiers", "on", "operation", "update"),
        ("enable_indexscan", "off", "actor_name", "management"),
    ],
)  # fmt: skip
def test_no_setting_keeps_a_write_off_the_trail(
    setting: str, value: str, column: str, told: Any, committed_world: World, trail: Trail, other_connection: Any
) -> None:
    client, manager = committed_world.own_client.pk, committed_world.users["management"].pk
    cursor = other_connection.cursor()
    cursor.execute("SET LOCAL ROLE eecrm_management")
    cursor.execute("SELECT set_config('eecrm.user_id', %s, true)", [str(manager)])
    cursor.execute("SELECT set_config(%s, %s, true)", [setting, value])
    cursor.execute(CHANGE.replace("clients_client", "eecrm.clients_client"), [client])
    other_connection.commit()
    ((stored, key, new),) = trail.run(f"SELECT {column}, row_key, new FROM audit.entry")
    assert (key, new["company_name"]) == (str(client), "Changed")
    assert stored == (str(client) if column == "row_key" else told)


@pytest.mark.parametrize("value", ["abc", "-1", "1.0", " 1", "9" * 19, "9" * 1000, "1; --", "١", "0x1", "1\n", "null"])
def test_a_write_by_nobody_who_could_be_is_refused_in_a_sentence(
    value: str, committed_world: World, trail: Trail, other_connection: Any
) -> None:
    client = committed_world.own_client.pk
    cursor = other_connection.cursor()
    cursor.execute("SET LOCAL ROLE eecrm_management")
    cursor.execute("SELECT set_config('eecrm.user_id', %s, true)", [value])
    with pytest.raises(psycopg2.errors.CheckViolation) as refusal:
        cursor.execute(CHANGE, [client])
    assert refusal.value.diag.constraint_name == "trail_names_its_actor"
    assert refusal.value.diag.message_primary == "The setting eecrm.user_id is not the number of an account."
    other_connection.rollback()
    assert trail.one("SELECT count(*) FROM audit.entry") == 0
    assert trail.one("SELECT company_name FROM clients_client WHERE id = %s", client) == "Own Company"


@pytest.mark.parametrize("setting", ["statement_timeout = '1ms'", "transaction_read_only = on", "lock_timeout = '1ms'"])
def test_a_write_that_is_cut_short_leaves_neither_change_nor_entry(
    setting: str, committed_world: World, trail: Trail, other_connection: Any, migrator: Any
) -> None:
    client = committed_world.own_client.pk
    migrator.autocommit = False
    with migrator.cursor() as other:
        other.execute("LOCK TABLE audit.entry")
        cursor = other_connection.cursor()
        cursor.execute("SET LOCAL ROLE eecrm_management")
        cursor.execute(f"SET LOCAL {setting}")
        with pytest.raises(psycopg2.Error):
            cursor.execute(CHANGE, [client])
        other_connection.rollback()
    migrator.rollback()
    migrator.autocommit = True
    assert trail.one("SELECT count(*) FROM audit.entry") == 0
    assert trail.one("SELECT company_name FROM clients_client WHERE id = %s", client) == "Own Company"


def test_many_rows_and_returning_are_recorded_like_any_write(
    committed_world: World, trail: Trail, other_connection: Any
) -> None:
    cursor = other_connection.cursor()
    cursor.execute("SET LOCAL ROLE eecrm_superuser")
    cursor.execute(
        "INSERT INTO clients_client (company_name, first_name, last_name, email, phone, mobile, sales_contact_id) "
        "SELECT 'New', 'Ann', 'Doe', n || '@new.example', '', '', %s FROM generate_series(1, 3) AS n",
        [committed_world.users["sales"].pk],
    )
    cursor.execute("WITH gone AS (DELETE FROM events_event RETURNING id) SELECT count(*) FROM gone")
    other_connection.commit()
    assert trail.run("SELECT table_name, operation, count(*) FROM audit.entry GROUP BY 1, 2 ORDER BY 1") == [
        ("clients_client", "insert", 3), ("events_event", "delete", 2)
    ]  # fmt: skip
