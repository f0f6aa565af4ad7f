"""No test that commits leaves rows to the next one, wherever it fails."""

from collections.abc import Callable
from typing import Any

import psycopg2
import pytest
from django.db import connection

from config.environment import env
from config.tests.emptying import WAITS, as_migrator, committing, empty_database
from conftest import World, build_world

ROWS = """
SELECT (SELECT count(*) FROM accounts_user) + (SELECT count(*) FROM clients_client) + (SELECT count(*) FROM audit.entry)
     + (SELECT count(*) FROM auth_group WHERE name = 'Night shift')
"""


def rows() -> int:
    with as_migrator() as opened, opened.cursor() as cursor:
        cursor.execute(ROWS)
        return int(cursor.fetchone()[0])


def make_group() -> None:
    with as_migrator() as opened, opened.cursor() as cursor:
        cursor.execute("INSERT INTO auth_group (name) VALUES ('Night shift')")


def lose_the_connection() -> None:
    connection.ensure_connection()
    connection.connection.close()


def leave_a_transaction() -> None:
    """As the next test would find it: what it locked stays locked."""
    opened: Any = psycopg2.connect(
        host=connection.settings_dict["HOST"], port=connection.settings_dict["PORT"], dbname=connection.settings_dict["NAME"],
        user=env("PG_USER"), password=env("PG_PASSWORD"), options=WAITS,
    )  # fmt: skip
    opened.cursor().execute("SELECT count(*) FROM accounts_user")
    _left.append(opened)


def leave_a_transaction_of_the_migrator() -> None:
    with as_migrator() as opened:
        _left.append(psycopg2.connect(opened.dsn, password=env("PG_MIGRATOR_PASSWORD"), options=WAITS))
    _left[-1].cursor().execute("LOCK TABLE clients_client")


_left: list[Any] = []


@pytest.fixture(autouse=True)
def close_what_is_left() -> Any:
    yield
    while _left:
        _left.pop().close()


@pytest.mark.parametrize(
    "trouble", [make_group, lose_the_connection, leave_a_transaction, leave_a_transaction_of_the_migrator]
)
def test_a_failure_leaves_no_row(trouble: Callable[[], None], django_db_setup: None, django_db_blocker: Any) -> None:
    with pytest.raises(ZeroDivisionError), committing(django_db_blocker):
        build_world()
        assert rows()
        trouble()
        raise ZeroDivisionError
    assert not rows()


def test_what_others_left_is_gone_before_a_test_commits(django_db_setup: None, django_db_blocker: Any) -> None:
    empty_database()  # Of the kept world.
    with django_db_blocker.unblock():
        build_world()
        connection.close()
    try:
        with committing(django_db_blocker):
            assert not rows()
    finally:
        empty_database()


def test_a_new_table_is_emptied_too(in_the_open: None, migrator: Any) -> None:
    with migrator.cursor() as cursor:
        cursor.execute("CREATE TABLE audit.novelty AS SELECT 1 AS number")
        try:
            empty_database()
            cursor.execute("SELECT count(*) FROM audit.novelty")
            assert cursor.fetchone() == (0,)
        finally:
            cursor.execute("DROP TABLE audit.novelty")


def test_what_the_migrations_wrote_stays(in_the_open: None, migrator: Any) -> None:
    with migrator.cursor() as cursor:
        cursor.execute("SELECT array_agg(name ORDER BY name) FROM auth_group")
        assert {"External", "Management", "PII", "PII_VIEW"} <= set(cursor.fetchone()[0])
        cursor.execute("SELECT count(*) FROM auth_group_permissions")
        assert cursor.fetchone()[0] > 50


@pytest.mark.django_db
def test_no_two_tables_share_an_id(world: World) -> None:
    made = (world.own_client, world.own_draft, world.own_event, world.users["sales"])
    assert len({row.pk // 10_000_000 for row in made}) == len(made)
    assert min(row.pk for row in made) >= 10_000_000
