"""No table is forgotten: each is on the trail, or among the exceptions below, with its reason."""

from typing import Any

import pytest
from django.apps import apps

from access.policy import MATRIX_ROLES, Role

EXCEPTIONS = {
    "accounts_knownplace": "from where an account has logged in, written at each login, whose own row is on the trail",
    "accounts_linkrequest": "what anybody types to get a link, mostly for no account; the mails that follow are on the trail",
    "api_idempotency": "answers kept for who repeats a request; what they are about is on the trail",
    "api_limit": "counts of requests, some seconds old",
    "auth_permission": "written by migrations alone, from the code",
    "django_admin_log": "a record itself, which nobody changes; what it is about is on the trail",
    "django_content_type": "written by migrations alone, from the code",
    "django_migrations": "a record itself, written by the migrator alone",
    "django_session": "logins of the admin site: the log tells them, and a session's content is a secret",
}
# From the catalogue, so that a table of no model counts too. `O`: fires wherever rows are written by an ordinary session.
TABLES = """
    SELECT relname, EXISTS (SELECT FROM pg_trigger
                             WHERE tgrelid = pg_class.oid AND tgname = 'trail' AND tgenabled = 'O'
                               AND tgfoid = 'audit.record'::regproc AND tgqual IS NULL AND tgattr = ''
                               -- for each row, after INSERT, DELETE and UPDATE
                               AND tgtype = 1 + 4 + 8 + 16)
      FROM pg_class WHERE relnamespace = 'eecrm'::regnamespace AND relkind IN ('r', 'p', 'f')
"""


@pytest.fixture
def tables(migrator: Any) -> dict[str, bool]:
    with migrator.cursor() as cursor:
        cursor.execute(TABLES)
        return dict(cursor.fetchall())


def test_every_table_is_on_the_trail_or_has_a_reason(tables: dict[str, bool]) -> None:
    assert {name for name, is_recorded in tables.items() if not is_recorded} == set(EXCEPTIONS)


def test_every_model_has_its_table_there(tables: dict[str, bool]) -> None:
    models = apps.get_models(include_auto_created=True)
    assert {model._meta.db_table for model in models if model._meta.managed} <= set(tables)


def test_a_table_on_the_trail_has_a_key_that_names_its_rows(tables: dict[str, bool], migrator: Any) -> None:
    with migrator.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indrelid WHERE indisprimary"
            " AND relnamespace = 'eecrm'::regnamespace AND pg_get_indexdef(indexrelid) LIKE '%(id)'"
        )
        keyed = {name for (name,) in cursor.fetchall()}
    assert {name for name, is_recorded in tables.items() if is_recorded} <= keyed


@pytest.mark.parametrize("role", ["", *MATRIX_ROLES])
def test_no_role_of_the_app_writes_what_is_off_the_trail_and_means_something(role: Role | str, migrator: Any) -> None:
    grantee = f"eecrm_{role or 'app'}"
    with migrator.cursor() as cursor:
        for table in ("auth_permission", "django_content_type", "django_migrations", "django_admin_log"):
            commands = ("UPDATE", "DELETE", "TRUNCATE", *(() if table == "django_admin_log" else ("INSERT",)))
            for command in commands:
                cursor.execute("SELECT has_table_privilege(%s, %s, %s)", [grantee, f"eecrm.{table}", command])
                assert cursor.fetchone() == (False,), f"{grantee} may {command} {table}"
