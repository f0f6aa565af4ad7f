"""A login that gave itself a setting, or that someone gave a power, is told of by `sync_database --check` and readiness."""

from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from typing import Any

import psycopg2
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client as Browser

from access import surroundings
from access.logins import faults
from config.environment import env


def told() -> list[str]:
    with connection.cursor() as cursor:
        return faults(cursor)


@pytest.fixture
def administrator(django_db_setup: None) -> Iterator[Any]:
    """The administrator's cursor, in a transaction that is rolled back: nobody else ever sees what it did."""
    settings = connection.settings_dict
    opened = psycopg2.connect(
        host=settings["HOST"], port=settings["PORT"], dbname=settings["NAME"], user=env("PG_ADMIN_USER"),
        password=env("PG_ADMIN_PASSWORD"), options="-c search_path=eecrm",
    )  # fmt: skip
    with closing(opened), opened.cursor() as cursor:
        yield cursor
        opened.rollback()


def test_after_bootstrap_nothing_is_wrong(db: None, administrator: Any) -> None:
    assert told() == surroundings.faults(administrator) == []
    assert Browser().get("/health/ready/").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("SET role = 'eecrm_superuser'", ["eecrm_app has the setting role=eecrm_superuser"]),
        ("IN DATABASE {database} SET role = 'eecrm_superuser'", ["eecrm_app has the setting role=eecrm_superuser"]),
        (
            "IN DATABASE {database} SET statement_timeout = 0",
            ["eecrm_app has the setting statement_timeout=0", "eecrm_app lacks the setting statement_timeout=15s"],
        ),
        (
            "IN DATABASE {database} SET search_path = 'public'",
            ["eecrm_app has the setting search_path=public", "eecrm_app lacks the setting search_path=eecrm"],
        ),
        (
            "IN DATABASE {database} RESET ALL",
            [f"eecrm_app lacks the setting {one}" for one in (
                "TimeZone=UTC", "idle_in_transaction_session_timeout=30s", "jit=off", "lock_timeout=5s", "log_parameter_max_length_on_error=0",
                "random_page_cost=1.1", "search_path=eecrm", "statement_timeout=15s",
            )],  # and not those that take a superuser
        ),
    ],
)  # fmt: skip
def test_a_setting_that_the_login_role_gave_itself_is_told(setting: str, expected: list[str], db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER ROLE eecrm_app {setting.format(database=connection.settings_dict['NAME'])}")
    assert sorted(told()) == sorted(expected)
    answer = Browser().get("/health/ready/")
    assert answer.status_code == 503
    errors = StringIO()
    with pytest.raises(CommandError, match=f"differ from bootstrap.sql in {len(expected)} places"):
        call_command("sync_database", "--check", stdout=StringIO(), stderr=errors)
    assert all(f"{one}. Run deploy/postgres/bootstrap.sql again." in errors.getvalue() for one in expected)


@pytest.mark.parametrize("login", ["eecrm_report", "eecrm_backup", "eecrm_migrator"])
@pytest.mark.parametrize("where", ["", "IN DATABASE {database} "])
def test_a_setting_that_another_login_gave_itself_is_told(login: str, where: str, administrator: Any) -> None:
    administrator.execute(f"SET LOCAL ROLE {login}")
    where = where.format(database=connection.settings_dict["NAME"])
    for setting in ("default_transaction_read_only = off", "statement_timeout = 7"):
        administrator.execute(f"ALTER ROLE {login} {where}SET {setting}")
    administrator.execute("RESET ROLE")
    found = faults(administrator)
    assert f"{login} has the setting default_transaction_read_only=off" in found
    assert f"{login} has the setting statement_timeout=7" in found
    assert {sentence.split()[0] for sentence in found} == {login}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("GRANT eecrm_migrator TO eecrm_app", "eecrm_app may enter eecrm_migrator"),
        ("GRANT eecrm_sales TO eecrm_app WITH ADMIN OPTION", "eecrm_app may give away eecrm_sales"),
        ("GRANT eecrm_management TO eecrm_sales", "eecrm_sales may enter eecrm_management"),
        ("GRANT pg_read_all_data TO eecrm_report", "eecrm_report may enter pg_read_all_data"),
        ("GRANT pg_write_all_data TO eecrm_backup", "eecrm_backup may enter pg_write_all_data"),
        ("ALTER ROLE eecrm_app CREATEROLE", "eecrm_app is a maker of roles"),
        ("ALTER ROLE eecrm_app CREATEDB", "eecrm_app is a maker of databases"),
        ("ALTER ROLE eecrm_report CREATEROLE CREATEDB", "eecrm_report is a maker of roles and a maker of databases"),
        ("ALTER ROLE eecrm_app BYPASSRLS", "eecrm_app is exempt from row security"),
        ("ALTER ROLE eecrm_app INHERIT", "eecrm_app is an heir of the roles that it may enter"),
        ("ALTER ROLE eecrm_report SUPERUSER", "eecrm_report is a superuser"),
        ("ALTER ROLE eecrm_backup REPLICATION", "eecrm_backup is a replica"),
        ("ALTER ROLE eecrm_sales LOGIN", "eecrm_sales is a login"),
        ("ALTER ROLE eecrm_owner LOGIN", "eecrm_owner is a login"),
        ("ALTER ROLE eecrm_migrator CREATEROLE", "eecrm_migrator is a maker of roles"),
        ("ALTER ROLE eecrm_migrator CREATEDB", "eecrm_migrator is a maker of databases"),
        ("GRANT pg_read_server_files TO eecrm_migrator", "eecrm_migrator may enter pg_read_server_files"),
        ("GRANT eecrm_superuser TO eecrm_owner", "eecrm_owner may enter eecrm_superuser"),
        (
            "ALTER ROLE eecrm_report IN DATABASE {database} RESET log_min_error_statement",
            "eecrm_report lacks the setting log_min_error_statement=panic",
        ),
    ],
)
def test_a_power_or_a_membership_that_nobody_should_have_is_told(
    statement: str, expected: str, administrator: Any
) -> None:
    administrator.execute(statement.format(database=connection.settings_dict["NAME"]))
    assert faults(administrator) == [expected]


@pytest.mark.parametrize(
    ("name", "value"),
    [("log_min_error_statement", "error"), ("log_error_verbosity", "verbose"), ("log_statement", "ddl")],
)
@pytest.mark.parametrize("login", ["eecrm_app", "eecrm_report", "eecrm_backup", "eecrm_migrator"])
def test_no_login_can_make_the_log_talk_again(name: str, value: str, login: str, administrator: Any) -> None:
    database = connection.settings_dict["NAME"]
    administrator.execute(f"SET LOCAL ROLE {login}")
    of_role = f"ALTER ROLE {login}"
    for statement in (
        f"SET {name} = {value}",
        f"{of_role} SET {name} = {value}",
        f"{of_role} IN DATABASE {database} RESET {name}",
    ):
        administrator.execute("SAVEPOINT before")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            administrator.execute(statement)
        administrator.execute("ROLLBACK TO before")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("CREATE ROLE spy LOGIN; GRANT CONNECT ON DATABASE {database} TO spy", ["spy has CONNECT on database"]),
        ("CREATE ROLE spy LOGIN; GRANT eecrm_app TO spy", ["spy may enter eecrm_app"]),
        ("CREATE ROLE spy LOGIN; GRANT USAGE ON SCHEMA eecrm TO spy", ["spy has USAGE on schema eecrm"]),
        ("GRANT TEMPORARY ON DATABASE {database} TO PUBLIC", ["PUBLIC has TEMPORARY on database"]),
        ("GRANT CREATE ON SCHEMA eecrm TO eecrm_app", ["eecrm_app has CREATE on schema eecrm"]),
        ("GRANT CREATE ON SCHEMA public TO PUBLIC", ["PUBLIC has CREATE on schema public"]),
        ("REVOKE USAGE ON SCHEMA audit FROM eecrm_backup", ["eecrm_backup lacks USAGE on schema audit"]),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE eecrm_migrator IN SCHEMA eecrm GRANT SELECT ON TABLES TO eecrm_app",
            ["eecrm_app has SELECT on later tables of schema eecrm"],
        ),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE eecrm_migrator GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
            ["PUBLIC has EXECUTE on later functions"],
        ),
        ("ALTER DATABASE {database} SET row_security = off", ["the database has the setting row_security=off"]),
        (
            "ALTER DATABASE {database} RESET ALL",
            ["the database lacks the setting idle_in_transaction_session_timeout=60s"],
        ),
        ("GRANT EXECUTE ON FUNCTION ts_stat(text) TO PUBLIC", ["PUBLIC may execute ts_stat(text)"]),
        ("GRANT CONNECT ON DATABASE postgres TO PUBLIC", ["PUBLIC may connect to the database postgres"]),
        ("GRANT EXECUTE ON FUNCTION ts_stat(text) TO eecrm_report", ["eecrm_report may execute ts_stat(text)"]),
        (
            "GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint) TO eecrm_migrator",
            ["eecrm_migrator may execute pg_advisory_lock(bigint)"],
        ),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE eecrm_owner IN SCHEMA eecrm GRANT SELECT ON TABLES TO PUBLIC",
            ["PUBLIC has SELECT on later tables of schema eecrm"],
        ),
        (
            "SET LOCAL timezone = 'UTC'; ALTER ROLE eecrm_backup VALID UNTIL '2099-01-01'",
            ["eecrm_backup may log in until 2099-01-01 00:00:00+00"],
        ),
        (
            "ALTER ROLE eecrm_report CONNECTION LIMIT 0",
            [
                "the database has the connection limit 0 of eecrm_report",
                "the database lacks the connection limit 5 of eecrm_report",
            ],
        ),
    ],
)
def test_what_was_opened_around_the_tables_is_told(statement: str, expected: list[str], administrator: Any) -> None:
    administrator.execute(statement.format(database=connection.settings_dict["NAME"]))
    assert surroundings.faults(administrator) == expected


def test_it_is_a_warning_because_requests_are_served(db: None, migrator: Any) -> None:
    privilege = "ALTER DEFAULT PRIVILEGES IN SCHEMA eecrm {} SELECT ON TABLES {} eecrm_app"
    with migrator.cursor() as cursor:
        cursor.execute(privilege.format("GRANT", "TO"))
        try:
            answer = Browser().get("/health/ready/")
            errors = StringIO()
            with pytest.raises(CommandError, match="differ from bootstrap.sql in 1 places"):
                call_command("sync_database", "--check", stdout=StringIO(), stderr=errors)
        finally:
            cursor.execute(privilege.format("REVOKE", "FROM"))
    warning = {"check": "surroundings", "detail": "The database differs from bootstrap.sql in 1 places."}
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "warnings": [warning]})
    assert "eecrm_app has SELECT on later tables of schema eecrm. Run" in errors.getvalue()
