"""PostgreSQL itself refuses: without a context, beyond a role's grants, against a business rule, to anybody but the migrator."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, redirect_stdout
from io import StringIO
from typing import Any

import psycopg2
import pytest
from django.contrib.auth.hashers import make_password
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from access.database import acting_as, as_login_role, enter, refuse_privileged_role
from access.grants import actual, privilege_differences, wanted_grants
from access.policy import MATRIX_ROLES, Role
from accounts.models import Mail, User
from config.environment import ROOT, env
from conftest import World, make_client, make_event, saved


def run(sql: str, role: str = "", user_id: int | None = None) -> Any:
    """Run one statement as the app role, in a role's context or in none; the rows, or the name of the refusal."""
    try:
        with transaction.atomic():
            if role:
                enter(role, user_id=user_id)
            with connection.cursor() as cursor:
                cursor.execute(sql)
                rows = cursor.fetchall() if cursor.description else cursor.rowcount
                cursor.execute("SELECT set_config('role', 'none', true), set_config('eecrm.user_id', '', true)")
                return rows
    except DatabaseError as error:
        diagnosis = error.__cause__.diag  # type: ignore[union-attr]  # always psycopg2's
        return diagnosis.constraint_name if diagnosis.sqlstate in ("23514", "23503", "23505") else diagnosis.sqlstate


REFUSED = "42501"


def test_the_tests_run_as_the_app_role(db: None) -> None:
    assert run("SELECT session_user::text, current_user::text") == [("eecrm_app", "eecrm_app")]
    rows = run(
        "SELECT rolsuper, rolbypassrls, rolinherit, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = 'eecrm_app'"
    )
    assert rows == [(False,) * 5]


@pytest.mark.parametrize("table", ["clients_client", "contracts_contract", "events_event"])
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM {}",
        "SELECT count(*) FROM {}",
        "UPDATE {} SET version = 1",
        "DELETE FROM {}",
        "INSERT INTO {} DEFAULT VALUES",
    ],
)
def test_without_a_context_nothing_of_the_business_is_open(table: str, statement: str, db: None) -> None:
    assert run(statement.format(table)) == REFUSED


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE eecrm.mine (id int)", "CREATE TABLE public.mine (id int)", "CREATE TEMP TABLE mine (id int)", "CREATE SCHEMA mine",
        "CREATE FUNCTION eecrm.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE VIEW eecrm.v AS SELECT 1", "CREATE EXTENSION plpgsql_check",
        "ALTER TABLE clients_client DISABLE TRIGGER ALL", "ALTER TABLE clients_client ADD COLUMN x int", "DROP TABLE clients_client",
        "TRUNCATE clients_client CASCADE", "DROP TRIGGER client_rules ON clients_client", "DROP FUNCTION client_rules() CASCADE",
        "CREATE OR REPLACE FUNCTION policy_allows(action text) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
        "INSERT INTO django_migrations (app, name, applied) VALUES ('x', 'y', now())", "DELETE FROM django_migrations",
        "UPDATE accounts_user SET role = 'management'", "UPDATE accounts_user SET is_superuser = true", "UPDATE accounts_user SET is_active = true",
        "INSERT INTO accounts_user (username, password) VALUES ('x', 'y')", "DELETE FROM accounts_user", "DELETE FROM django_admin_log",
        "SET session_replication_role = replica", "SET SESSION AUTHORIZATION eecrm_migrator", "SET ROLE eecrm_migrator", "SET ROLE eecrm_owner", "SET ROLE eecrm_report", "SET ROLE eecrm_backup",
        "COPY accounts_user TO PROGRAM 'cat'", "COPY (SELECT 1) TO '/tmp/x'", "SELECT pg_read_file('/etc/passwd')", "ALTER ROLE eecrm_app SUPERUSER",
        "ALTER ROLE eecrm_app BYPASSRLS", "CREATE ROLE mine", "GRANT eecrm_migrator TO eecrm_app",
        "ALTER TABLE clients_client DISABLE ROW LEVEL SECURITY", "ALTER TABLE clients_client NO FORCE ROW LEVEL SECURITY",
        "CREATE POLICY mine ON clients_client USING (true)", "DROP POLICY eecrm_sales_select ON clients_client",
        "ALTER POLICY eecrm_external_select ON clients_client USING (true)", "ALTER FUNCTION own_ids() SECURITY INVOKER",
        "CREATE OR REPLACE FUNCTION own_ids() RETURNS bigint[] LANGUAGE sql AS 'SELECT array_agg(id) FROM accounts_user'",
        "ALTER TABLE audit.entry DISABLE TRIGGER ALL", "DELETE FROM audit.entry", "UPDATE audit.entry SET actor_name = 'x'", "TRUNCATE audit.entry",
        "INSERT INTO audit.entry (table_name) VALUES ('x')", "CREATE TABLE audit.mine (id int)", "DROP SCHEMA audit CASCADE",
        "DELETE FROM audit.seal", "UPDATE audit.boundary SET last_id = 0", "ALTER TABLE clients_client OWNER TO eecrm_app", "COPY clients_client FROM STDIN",
        "ALTER SYSTEM SET log_statement = 'all'", "CREATE DATABASE mine", "LOCK TABLE clients_client",
    ],
)  # fmt: skip
@pytest.mark.parametrize("role", ["", Role.SALES, Role.SUPERUSER])
def test_forbidden_statements(statement: str, role: str, db: None) -> None:
    if role == Role.SUPERUSER and statement.startswith(
        ("UPDATE accounts_user", "INSERT INTO accounts_user", "DELETE FROM accounts_user", "LOCK")
    ):
        return  # a superuser runs the accounts; like everybody under the triggers
    if role == Role.SALES and statement.startswith("LOCK"):
        return  # whoever may change rows may lock them
    outcome = run(statement, role)
    assert isinstance(outcome, str), f"{statement} went through"
    assert outcome in (REFUSED, "0A000", "58P01", "42704", "25001"), outcome


@pytest.mark.parametrize("role", MATRIX_ROLES)
def test_nobody_but_the_login_reads_a_password(role: str, world: World) -> None:
    assert run("SELECT password FROM accounts_user", role) == REFUSED
    assert run("SELECT display_name FROM accounts_user LIMIT 1", role) != REFUSED


def test_a_context_ends_with_its_transaction(db: None) -> None:
    with acting_as(Role.MANAGEMENT, user_id=7):
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user::text, current_setting('eecrm.user_id')")
            assert cursor.fetchone() == ("eecrm_management", "7")
    assert run("SELECT current_user::text") == [("eecrm_app",)]
    with pytest.raises(RuntimeError), acting_as(Role.MANAGEMENT):
        raise RuntimeError
    assert run("SELECT current_user::text") == [("eecrm_app",)]


def test_a_role_is_entered_in_a_transaction_only() -> None:
    with pytest.raises(transaction.TransactionManagementError):
        enter(Role.MANAGEMENT)


def test_grants_follow_the_table_and_a_drift_is_told(db: None, migrator: Any) -> None:
    assert actual() == wanted_grants()
    with migrator.cursor() as cursor:
        cursor.execute("GRANT DELETE ON clients_client TO eecrm_support")
    try:
        assert privilege_differences() == ["REVOKE DELETE ON clients_client FROM eecrm_support"]
        with pytest.raises(CommandError, match="differs from the code in 1 places"):
            call_command("sync_database", "--check", stdout=StringIO())
    finally:
        told = run_as_migrator("sync_database", "--verbosity=2")
    assert "REVOKE DELETE ON clients_client FROM eecrm_support\n" in told
    assert "Privileges: 1 statements run." in told
    with migrator.cursor() as cursor:
        cursor.execute("REVOKE DELETE ON clients_client FROM eecrm_sales")
    quiet = manage("sync_database", "--settings=config.migrator_settings", "--verbosity=0")
    assert (quiet.returncode, quiet.stdout) == (0, "")
    assert privilege_differences() == []


def test_a_function_that_is_granted_beside_the_table_is_a_drift_too(db: None, migrator: Any) -> None:
    function = "FUNCTION enrol_identity(text,text)"
    with migrator.cursor() as cursor:
        cursor.execute(f"GRANT EXECUTE ON {function} TO eecrm_sales")
        cursor.execute(f"REVOKE EXECUTE ON {function} FROM eecrm_app")
    try:
        assert privilege_differences() == [
            f"REVOKE EXECUTE ON {function} FROM eecrm_sales",
            f"GRANT EXECUTE ON {function} TO eecrm_app",
        ]
    finally:
        run_as_migrator("sync_database")
    assert privilege_differences() == []


def run_as_migrator(command: str, *options: str) -> str:
    """Runs a management command in this process, on the migrator's connection of a thread, and returns its output.

    A process of its own would take half a second to start.
    """

    def run_command() -> str:
        login = {"USER": "eecrm_migrator", "PASSWORD": env("PG_MIGRATOR_PASSWORD")}
        connection.settings_dict = connection.settings_dict | login  # of this thread's connection only
        output = StringIO()
        with closing(connection), redirect_stdout(output):  # of the commands that it calls, too
            call_command(command, *options, stdout=output)
        return output.getvalue()

    with ThreadPoolExecutor(1) as threads:
        return threads.submit(run_command).result()


def manage(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PG_DATABASE": connection.settings_dict["NAME"]}
    return subprocess.run(
        [sys.executable, ROOT / "eecrm" / "manage.py", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", [(), ("--plan",), ("--fake",), ("clients", "zero"), ("--run-syncdb",)])
def test_migrate_fails_under_the_ordinary_settings_with_nothing_pending_too(
    arguments: tuple[str, ...], db: None
) -> None:
    with pytest.raises(CommandError) as refusal:
        call_command("migrate", *arguments)
    assert (
        str(refusal.value)
        == "eecrm_app may not change tables. Run: python manage.py migrate --settings=config.migrator_settings"
    )


def test_migrate_works_under_the_migrators_settings(db: None) -> None:
    result = manage("migrate", "--settings=config.migrator_settings")
    assert (result.returncode, "No migrations to apply" in result.stdout) == (0, True), result.stderr
    assert "Privileges: 0 statements run." in result.stdout
    assert "Privileges: 0 statements run." in run_as_migrator("migrate", "clients"), "no migration is left"
    assert "Privileges" not in run_as_migrator("migrate", "--plan")


def test_functions_and_privileges_wait_for_the_last_migration(in_the_open: None) -> None:
    try:
        back = manage("migrate", "--fake", "clients", "0001", "--settings=config.migrator_settings")
        assert "1 migrations are left: functions and privileges wait for the last one." in back.stdout, back.stderr
    finally:
        forth = manage("migrate", "--fake", "--settings=config.migrator_settings")
    assert "Privileges: 0 statements run." in forth.stdout, forth.stderr


@pytest.mark.parametrize(
    ("role", "statement", "rule"),
    [
        ("management", "UPDATE clients_client SET status = 'prospect' WHERE id = {client}", "client_never_turns_back"),
        ("management", "UPDATE clients_client SET sales_contact_id = {support} WHERE id = {client}", "client_sales_contact_active"),
        ("management", "UPDATE clients_client SET sales_contact_id = {superuser} WHERE id = {client}", "client_sales_contact_active"),
        ("sales", "UPDATE clients_client SET email = 'ANN.OTHER.company@other.example' WHERE id = {client}", "client_email_unique"),
        ("sales", "UPDATE clients_client SET company_name = ' ' WHERE id = {client}", "client_names_filled"),
        ("sales", "UPDATE clients_client SET phone = '0199001234' WHERE id = {client}", "client_phones_e164"),
        ("sales", "UPDATE clients_client SET status = 'lead' WHERE id = {client}", "client_status_known"),
        ("sales", "UPDATE contracts_contract SET amount = 1 WHERE id = {signed}", "contract_signed_amount_frozen"),
        ("sales", "UPDATE contracts_contract SET status = 'draft' WHERE id = {signed}", "contract_signed_stays_signed"),
        ("sales", "DELETE FROM contracts_contract WHERE id = {signed}", "contract_signed_stays"),
        ("management", "UPDATE contracts_contract SET amount = 0 WHERE id = {draft}", "contract_amount_positive"),
        ("management", "UPDATE contracts_contract SET amount = 'NaN' WHERE id = {draft}", "contract_amount_positive"),
        ("management", "UPDATE contracts_contract SET payment_due = 'infinity' WHERE id = {draft}", "contract_payment_due_bounded"),
        ("management", "UPDATE contracts_contract SET payment_due = '9999-12-31' WHERE id = {draft}", "contract_payment_due_bounded"),
        ("management", "UPDATE contracts_contract SET signed_at = now() WHERE id = {draft}", REFUSED),
        ("management", "UPDATE contracts_contract SET client_id = {other_client} WHERE id = {draft}", "contract_stays_with_client"),
        ("management", "INSERT INTO contracts_contract (client_id, name, amount, payment_due) VALUES ({prospect}, 'X', 1, '2027-01-01')", "contract_needs_client"),
        ("sales", "INSERT INTO contracts_contract (client_id, name, status, amount, payment_due, signed_at) VALUES ({client}, 'X', 'signed', 1, '2027-01-01', now())",
         "contract_starts_as_draft"),
        ("management", "INSERT INTO events_event (contract_id, name, attendees, starts_at, location, notes) VALUES ({draft}, 'X', 1, '2027-01-01', '', '')",
         "event_needs_signed_contract"),
        ("management", "UPDATE events_event SET support_contact_id = {sales} WHERE id = {event}", "event_support_contact_active"),
        ("management", "UPDATE events_event SET contract_id = {other_signed} WHERE id = {event}", "event_stays_with_contract"),
        ("management", "UPDATE events_event SET starts_at = 'infinity' WHERE id = {event}", "event_dates_bounded"),
        ("management", "UPDATE events_event SET ends_at = starts_at - interval '1 second' WHERE id = {event}", "event_ends_after_start"),
        ("management", "UPDATE events_event SET attendees = 1000001 WHERE id = {event}", "event_attendees_bounded"),
        ("management", "UPDATE events_event SET attendees = -1 WHERE id = {event}", "events_event_attendees_check"),
        ("support", "UPDATE events_event SET notes = 'x' WHERE id = {closed}", "event_closed_read_only"),
        ("support", "DELETE FROM events_event WHERE id = {closed}", "event_closed_read_only"),
        ("management", "UPDATE events_event SET status = 'created' WHERE id = {running}", "event_goes_one_way"),
        ("management", "UPDATE accounts_user SET is_superuser = true WHERE id = {sales}", "user_superuser_guarded"),
        ("management", "UPDATE accounts_user SET is_active = false WHERE id = {superuser}", "user_superuser_guarded"),
        ("management", "DELETE FROM accounts_user WHERE id = {superuser}", "user_superuser_guarded"),
        ("management", "UPDATE accounts_user SET role = 'external' WHERE id = {management}", "user_not_oneself"),
        ("management", "DELETE FROM accounts_user WHERE id = {management}", "user_not_oneself"),
        ("management", "UPDATE accounts_user SET role = 'janitor' WHERE id = {sales}", "user_role_known"),
        ("management", "UPDATE accounts_user SET username = 'earlier' WHERE id = {sales}", "username_was_anothers"),
        ("management", "UPDATE accounts_user SET email = '' WHERE id = {sales}", "address_of_claimed"),
        ("management", "UPDATE accounts_user SET username = 'x' WHERE id = {superuser}", "user_superuser_guarded"),
        ("management", "UPDATE accounts_user SET email = 'x@x.example' WHERE id = {invited}", "user_superuser_guarded"),
        ("management", "DELETE FROM accounts_user WHERE id = {other_management}", "manager_told_first"),
        ("management", "INSERT INTO accounts_user (username, password, first_name, last_name, email, job_title, mobile, role, is_superuser)"
         " SELECT 'x', 'y', '', '', '', '', '', 'sales', false WHERE true", "user_password_by_link"),
        ("superuser", "UPDATE accounts_user SET is_active = false WHERE role = 'management'", "user_last_manager"),
        ("superuser", "UPDATE auth_group SET name = 'x' WHERE name = 'PII'", "group_is_managed"),
        ("management", "INSERT INTO accounts_user_groups (user_id, group_id) SELECT {management}, id FROM auth_group WHERE name = 'PII'", "user_not_oneself"),
        ("management", "INSERT INTO accounts_externalidentity (user_id, issuer, subject) SELECT {superuser}, 'i', 's' WHERE true", "user_superuser_guarded"),
        ("management", "INSERT INTO accounts_externalidentity (user_id, issuer, subject) SELECT {sales}, 'i', 's' WHERE true", "identity_of_claimed"),
        ("management", "UPDATE accounts_mail SET address = 'x@x.example' WHERE id = {mail}", "mail_to_its_account"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("leaving", ["", "set_config('role', 'none', true) = 'none' AND "])
def test_raw_sql_breaks_no_business_rule(leaving: str, role: str, statement: str, rule: str, world: World) -> None:
    """A statement that leaves its role midway has the role's grants and the login role's name."""
    statement = statement.replace("WHERE ", f"WHERE {leaving}")
    with acting_as(Role.SUPERUSER):
        for username in ("earlier", "later"):
            world.users["other_support"].username = username
            world.users["other_support"].save()
        support = world.users["support"]
        made = {
            "mail": saved(Mail(kind="password_reset", user=world.users["sales"])),
            "invited": saved(User(username="invited", is_superuser=True, password=make_password(None))),
            "prospect": make_client("Prospect", world.users["sales"], status="prospect"),
            "closed": make_event(world.own_signed, "Over", support, status="closed"),
            "running": make_event(world.own_signed, "On", support, status="in_progress"),
        }
    keys = {name: row.pk for name, row in (made | world.users).items()} | {
        "client": world.own_client.pk, "other_client": world.other_client.pk, "draft": world.own_draft.pk, "signed": world.own_signed.pk,
        "other_signed": world.other_signed.pk, "event": world.own_event.pk,
    }  # fmt: skip
    assert run(statement.format(**keys), role, user_id=keys[role]) == rule


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM clients_client WHERE id = {client}",
        "DELETE FROM contracts_contract WHERE id = {signed}",
        "DELETE FROM accounts_user WHERE id = {sales}",
    ],
)
def test_what_others_hang_on_cannot_be_deleted(statement: str, world: World) -> None:
    sql = statement.format(client=world.own_client.pk, signed=world.own_signed.pk, sales=world.users["sales"].pk)
    assert "_fk_" in run(sql, Role.SUPERUSER)


@pytest.mark.parametrize("privilege", ["SUPERUSER", "BYPASSRLS"])
def test_a_privileged_database_role_does_not_serve(privilege: str, db: None) -> None:
    refuse_privileged_role()  # eecrm_app is fine
    name = f"eecrm_{privilege.lower()}_{os.getpid()}"
    settings = connection.settings_dict
    server = {"host": settings["HOST"], "port": settings["PORT"], "dbname": settings["NAME"]}
    admin = psycopg2.connect(user=env("PG_ADMIN_USER"), password=env("PG_ADMIN_PASSWORD"), **server)
    admin.autocommit = True
    try:
        with admin.cursor() as cursor:
            cursor.execute(f"CREATE ROLE {name} LOGIN {privilege} PASSWORD 'privileged'")
            cursor.execute(f"GRANT CONNECT ON DATABASE {settings['NAME']} TO {name}")
        code = "import django; django.setup(); from access.database import refuse_privileged_role; refuse_privileged_role()"
        environment = {"PG_USER": name, "PG_PASSWORD": "privileged", "DJANGO_SETTINGS_MODULE": "config.settings"}
        result = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | environment | {"PG_DATABASE": settings["NAME"]},
            cwd=ROOT / "eecrm",
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        with admin.cursor() as cursor:
            cursor.execute(f"REVOKE ALL ON DATABASE {settings['NAME']} FROM {name}")
            cursor.execute(f"DROP ROLE {name}")
        admin.close()
    assert result.returncode == 1
    power = {"SUPERUSER": "a superuser"}.get(privilege, privilege)
    assert f"ImproperlyConfigured: PG_USER {name} is {power}: serve requests as eecrm_app" in result.stderr


def test_outside_a_transaction_nobody_is_entered_so_the_login_role_is_who_it_is(committed_world: World) -> None:
    with as_login_role(), connection.cursor() as cursor:
        cursor.execute("SELECT count(password) FROM accounts_user")
        assert cursor.fetchone() == (len(committed_world.users),)
