"""Empties the database of the tests: before a test that commits, and after it, though the test or its set-up fails."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
from django.db import connection
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from access.codenames import managed_groups
from config.environment import env

# Seconds until a test that makes no progress fails: many, because a loaded machine is slow and no test may fail for that.
PATIENCE = 120
WAITS = " ".join(
    f"-c {name}={PATIENCE}s" for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
)

# What the migrations write is kept. Every other table is emptied, a new one too.
_TABLES = """
SELECT oid::regclass::text FROM pg_class
 WHERE relkind = 'r' AND relnamespace IN ('eecrm'::regnamespace, 'audit'::regnamespace)
   AND relname NOT IN ('django_migrations', 'django_content_type', 'auth_permission', 'auth_group', 'auth_group_permissions',
                       'boundary')
"""
_GROUPS = """
DELETE FROM eecrm.auth_group_permissions USING eecrm.auth_group AS held WHERE held.id = group_id AND held.name <> ALL (%(kept)s);
DELETE FROM eecrm.auth_group WHERE name <> ALL (%(kept)s);
UPDATE audit.boundary SET last_id = 0, xid = '0'
"""
# Room for the ids of one table: all of them stay within an integer.
_APART = 10_000_000
# None is set back: rows that the migrations wrote keep their numbers.
_START_APART = """
SELECT setval(sequence, greatest(place * %s, pg_sequence_last_value(sequence)))
  FROM (SELECT oid::regclass, row_number() OVER (ORDER BY relname) FROM pg_class
         WHERE relkind = 'S' AND relnamespace IN ('eecrm'::regnamespace, 'audit'::regnamespace)) AS numbered (sequence, place)
"""
# From this size on a table is truncated. Rows that were deleted or rolled back count, since nothing vacuums the tables, and
# the planner counts their pages.
_MANY, _MANY_BYTES = 1_000, 200_000
_END_HOLDERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
   AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'relation' AND relation >= 16384)
"""


class State:
    """State of this process's database: `is_open` while a test commits, `emptied` counts how often it was emptied."""

    is_open = False
    emptied = 0


@contextmanager
def committing(blocker: Any) -> Iterator[None]:
    """Lets its block commit, outside of a transaction of the test."""
    with blocker.unblock(), _emptied(), _connection_as_it_was():
        State.is_open = True
        try:
            yield
        finally:
            State.is_open = False


@contextmanager
def _connection_as_it_was() -> Iterator[None]:
    """Closes the connection afterwards, unless the block has used the one that it found, which is reset.

    PostgreSQL plans the statements and triggers of a new connection again, which costs more than most tests.
    """
    connection.ensure_connection()
    found = connection.connection
    try:
        yield
    finally:
        is_kept = connection.connection is found and not connection.in_atomic_block and connection.is_usable()
        if is_kept and found.info.transaction_status == TRANSACTION_STATUS_IDLE:
            with connection.cursor() as cursor:
                cursor.execute("DISCARD ALL")
        else:
            connection.close()


@contextmanager
def _emptied() -> Iterator[None]:
    empty_database()
    try:
        yield
    finally:
        empty_database()


def empty_database(*, is_thorough: bool = False) -> None:
    """On a connection of its own: those of a test may be lost, or hold what a failure left open.

    Few rows are deleted without triggers, because to truncate their tables takes ten times as long. `is_thorough`
    truncates all tables, which also makes the planner forget their sizes.
    """
    State.emptied += 1
    with _as_administrator() as cursor:
        cursor.execute(_END_HOLDERS)
        cursor.execute(_TABLES)
        counts = (
            f"SELECT '{name}', (SELECT count(*) FROM (SELECT FROM {name} LIMIT {_MANY}) AS found),"
            f" pg_relation_size('{name}') > {_MANY_BYTES}"
            for (name,) in cursor.fetchall()
        )
        cursor.execute(" UNION ALL ".join(counts))
        tables = cursor.fetchall()
        large = [name for name, number, is_large in tables if is_thorough or number == _MANY or is_large]
        if large:
            cursor.execute(f"TRUNCATE {', '.join(large)} CASCADE")
        filled = [name for name, number, _ in tables if number and name not in large]
        deletions = "".join(f"DELETE FROM {name};" for name in filled)
        cursor.execute(deletions + _GROUPS, {"kept": list(managed_groups())})


_administrators: list[Any] = []


@contextmanager
def _as_administrator() -> Iterator[Any]:
    """A cursor of a connection that stays open for the next time. It fires no triggers and checks no foreign keys."""
    try:
        _administrators[0].cursor().execute("SELECT")
    except (IndexError, psycopg2.Error):
        _administrators[:] = [_opened(env("PG_ADMIN_USER"), env("PG_ADMIN_PASSWORD"))]
        _administrators[0].cursor().execute("SET session_replication_role = replica; SET search_path = eecrm")
    with _administrators[0].cursor() as cursor:
        yield cursor


def keep_ids_apart() -> None:
    """Numbers the rows of each table from a start of its own.

    No test passes, or fails, because a client and an event happen to have the same id.
    """
    with as_migrator() as opened, opened.cursor() as cursor:
        cursor.execute(_START_APART, [_APART])


def age_the_trail() -> None:
    """Makes all entries of the trail two days old."""
    with _as_administrator() as cursor:
        cursor.execute("UPDATE audit.entry SET at = now() - interval '2 days'")


def move_the_trail_here() -> None:
    """Makes all entries look as after the restore of a dump: the other cluster was at higher transaction ids."""
    with _as_administrator() as cursor:
        cursor.execute("UPDATE audit.entry SET transaction_id = (transaction_id::text::bigint + 10000000)::text::xid8")


def empty_the_trail() -> None:
    """The few entries of a test's first rows: to truncate the two tables takes 20 ms."""
    with _as_administrator() as cursor:
        cursor.execute(
            "DELETE FROM audit.entry; DELETE FROM audit.seal; UPDATE audit.boundary SET last_id = 0, xid = '0'"
        )


@contextmanager
def as_migrator() -> Iterator[Any]:
    with closing(_opened(env("PG_MIGRATOR_USER", default="eecrm_migrator"), env("PG_MIGRATOR_PASSWORD"))) as opened:
        yield opened


def _opened(user: str, password: str) -> Any:
    settings = connection.settings_dict
    opened = psycopg2.connect(
        host=settings["HOST"],
        port=settings["PORT"],
        dbname=settings["NAME"],
        user=user,
        password=password,
        options=WAITS,
    )
    opened.autocommit = True
    return opened
