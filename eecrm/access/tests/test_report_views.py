"""`eecrm_report` reads masked views and nothing else: no secret, no text that people typed, no address."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from django.apps import apps
from django.db import connection
from django.db.models.signals import pre_migrate
from psycopg2 import errors

from access.masks import personal
from access.report_views import REPORT_ROLE, drop_before, view_differences, wanted_views
from config.environment import ROOT, env
from conftest import API, Caller, World


@pytest.fixture
def report(committed_world: World) -> Iterator[Any]:
    """A cursor of the login for reports, which commits each statement."""
    settings = connection.settings_dict
    opened = psycopg2.connect(
        host=settings["HOST"], port=settings["PORT"], dbname=settings["NAME"], user=REPORT_ROLE,
        password=env("PG_REPORT_PASSWORD"),
    )  # fmt: skip
    opened.autocommit = True
    with closing(opened), opened.cursor() as cursor:
        yield cursor


def everything(report: Any) -> str:
    """Each row of each view."""
    rows = []
    for name in wanted_views():
        report.execute(f"SELECT * FROM {name}")
        rows.append(f"{name}: {report.fetchall()}")
    return "\n".join(rows)


def test_a_report_reads_every_row_masked_as_an_auditor_sees_it(report: Any, committed_world: World) -> None:
    auditor = Caller.as_user(committed_world.users["auditor"])
    report.execute("SELECT id, company_name, last_name, email, phone, mobile FROM clients_client ORDER BY id")
    rows = report.fetchall()
    assert len(rows) == 2
    for row in rows:
        shown = auditor.get(f"{API}clients/{row[0]}/").json()
        assert list(row) == [shown[key] for key in ("id", "company_name", "last_name", "email", "phone", "mobile")]
    assert rows[0][3:] == ("a***@***.example", "***34", "***78")
    report.execute("SELECT count(*), sum(amount) FROM contracts_contract WHERE status = 'signed'")
    assert report.fetchone() == (2, 3000)
    report.execute("SELECT DISTINCT email FROM accounts_user WHERE email <> ''")
    assert {mail[1:] for (mail,) in report.fetchall()} == {"***@***.example"}


def test_nothing_that_a_person_typed_is_in_any_view(report: Any, committed_world: World) -> None:
    manager = Caller.as_user(committed_world.users["management"])
    client = f"{API}clients/{committed_world.own_client.pk}/"
    secret = {"email": "secret.person@hidden.example", "phone": "+33655500001", "mobile": "+33655500002"}
    assert manager.patch(client, secret, HTTP_X_CHANGE_REASON="A reason that was typed").status_code == 200
    event = f"{API}events/{committed_world.own_event.pk}/"
    assert manager.patch(event, {"notes": "Notes that were typed"}).status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO accounts_linkrequest (typed) VALUES ('My-Password-Typed')")
        cursor.execute("SELECT password FROM accounts_user LIMIT 1")
        (password,) = cursor.fetchone()
    seen = everything(report)
    assert "Own Company" in seen
    assert "Own party" in seen
    for hidden in (
        *secret.values(),
        "hidden.example",
        "reason that was",
        "Notes that",
        "My-Password",
        password,
        "argon2",
    ):
        assert hidden not in seen
    report.execute("SELECT columns FROM entry WHERE table_name = 'clients_client' AND operation = 'update'")
    (columns,) = report.fetchone()
    assert set(columns) >= {"email", "phone", "mobile", "version"}


def test_a_report_reads_no_table_and_writes_nothing(report: Any) -> None:
    report.execute("SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
                   " WHERE nspname IN ('eecrm', 'audit') AND relkind IN ('r', 'p', 'v', 'S')")  # fmt: skip
    tables = [name for (name,) in report.fetchall()]
    assert {"eecrm.accounts_user", "audit.entry", "eecrm.django_session", "eecrm.api_idempotency"} <= set(tables)
    for table in tables:
        with pytest.raises(errors.InsufficientPrivilege):
            report.execute(f"SELECT * FROM {table}")
    for statement in (
        "SET ROLE eecrm_sales", "SET ROLE eecrm_migrator", "CREATE TEMP TABLE mine (id int)", "CREATE TABLE report.mine (id int)",
        "CREATE VIEW report.mine AS SELECT 1",
    ):  # fmt: skip
        with pytest.raises((errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction)):
            report.execute(statement)
    report.execute("SET default_transaction_read_only = off")  # its own setting, and no wall
    for statement in (
        "UPDATE clients_client SET company_name = 'x'", "DELETE FROM entry", "INSERT INTO accounts_cover DEFAULT VALUES",
        "CREATE TEMP TABLE mine (id int)", "CREATE TABLE report.mine (id int)", "SELECT eecrm.own_ids()",
    ):  # fmt: skip
        with pytest.raises(errors.InsufficientPrivilege):
            report.execute(statement)


def test_no_view_tells_by_its_figures_what_it_hides(report: Any, migrator: Any) -> None:
    with migrator.cursor() as cursor:
        cursor.execute("ANALYZE clients_client")
    report.execute("SELECT count(*) FROM pg_stats WHERE tablename IN ('clients_client', 'accounts_user')")
    assert report.fetchone() == (0,)
    report.execute("SELECT count(*) FROM clients_client WHERE email LIKE 'ann.own%' OR email::text ~ 'own'")
    assert report.fetchone() == (0,)


def test_each_personal_field_of_a_view_is_masked_and_no_secret_is_in_one() -> None:
    for model in apps.get_models():
        fields = set(getattr(model, "report_fields", ()))
        assert fields.isdisjoint(getattr(model, "secret_fields", ()))
        view = wanted_views().get(model._meta.db_table)
        for name in fields.intersection(personal(model)):
            assert view is not None
            assert personal(model)[name].sql(name) in view.query


def test_a_view_that_someone_changed_is_a_drift(committed_world: World, migrator: Any) -> None:
    assert view_differences() == []
    with migrator.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE VIEW report.accounts_cover AS SELECT id, colleague_id, substitute_id, starts_at,"
                       " ends_at, granted_by_id, created_at FROM eecrm.accounts_cover WHERE id > 7")  # fmt: skip
        cursor.execute("CREATE VIEW report.mine AS SELECT * FROM eecrm.accounts_user")
        try:
            found = view_differences()
        finally:
            cursor.execute("DROP VIEW report.mine")
            wanted = wanted_views()["accounts_cover"]
            cursor.execute("SET search_path = eecrm; DROP VIEW report.accounts_cover")
            cursor.execute(wanted.create())
            cursor.execute("SELECT pg_get_viewdef('report.accounts_cover'::regclass)")
            (stored,) = cursor.fetchone()
            cursor.execute(f"COMMENT ON VIEW report.accounts_cover IS '{wanted.stamp(stored)}'")
    assert found == ["DROP VIEW report.accounts_cover", "DROP VIEW report.mine", wanted.create()]
    assert view_differences() == []


# What a migration does with the views, as the migrator, and takes back.
MIGRATING = """
import django; django.setup()
from django.db import connection, transaction
from access import report_views
with transaction.atomic():
    print(len(report_views.view_differences()))
    report_views.drop_before([("a migration", False)])
    statements = report_views.view_differences()
    print(len(statements) == len(report_views.wanted_views()))
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    print(len(report_views.view_differences()) == len(statements) * 2)
    report_views.stamp_views()
    print(len(report_views.view_differences()))
    transaction.set_rollback(True)
"""


def test_a_migration_drops_the_views_and_sync_database_makes_them_again(db: None) -> None:
    environment = {
        "DJANGO_SETTINGS_MODULE": "config.migrator_settings",
        "PG_DATABASE": connection.settings_dict["NAME"],
    }
    done = subprocess.run(
        [sys.executable, "-c", MIGRATING], env=os.environ | environment, cwd=ROOT / "eecrm", capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.stdout.split(), done.stderr) == (["0", "True", "True", "0"], "")
    assert any(
        drop_before is receiver for receiver in pre_migrate._live_receivers(sender=apps.get_app_config("access"))[0]
    )


def test_without_a_plan_no_view_is_dropped(db: None) -> None:
    """`migrate` with nothing to do leaves reports alone; the login role couldn't drop one."""
    drop_before([])
    assert view_differences() == []
