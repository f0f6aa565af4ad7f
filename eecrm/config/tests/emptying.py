"""Empties the database of the tests: before a test that commits, and after it, though the test or its set-up fails."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
from django.db import connection

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
DELETE FROM eecrm.auth_group WHERE name <> ALL (%(kept)s)
"""
# Room for the ids of one table: all of them stay within an integer.
_APART = 10_000_000
# None is set back: rows that the migrations wrote keep their numbers.
_START_APART = """
SELECT setval(sequence, greatest(place * %s, pg_sequence_last_value(sequence)))
  FROM (SELECT oid::regclass, row_number() OVER (ORDER BY relname) FROM pg_class
         WHERE relkind = 'S' AND relnamespace IN ('eecrm'::regnamespace, 'audit'::regnamespace)) AS numbered (sequence, place)
"""
# A role ends its own connections only.
_END_HOLDERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
 WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
   AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'relation' AND relation >= 16384)
"""


@contextmanager
def committing(blocker: Any) -> Iterator[None]:
    """Lets its block commit, outside of a transaction of the test."""
    with blocker.unblock(), _emptied(), closing(connection):
        yield


@contextmanager
def _emptied() -> Iterator[None]:
    empty_database()
    try:
        yield
    finally:
        empty_database()


def empty_database() -> None:
    """On connections of its own: those of a test may be lost, or hold what a failure left open."""
    settings = connection.settings_dict
    with _connected(settings["USER"], settings["PASSWORD"]) as opened, opened.cursor() as cursor:
        cursor.execute(_END_HOLDERS)
    with as_migrator() as opened, opened.cursor() as cursor:
        cursor.execute(_END_HOLDERS)
        cursor.execute(_TABLES)
        # To truncate an empty table takes as long as a full one.
        cursor.execute(
            " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for (name,) in cursor.fetchall())
        )
        if filled := [name for (name,) in cursor.fetchall()]:
            cursor.execute(f"TRUNCATE {', '.join(filled)} CASCADE")
        cursor.execute(_GROUPS, {"kept": list(managed_groups())})
        if filled or cursor.rowcount:
            empty_the_trail(cursor)


def keep_ids_apart() -> None:
    """Numbers the rows of each table from a start of its own.

    No test passes, or fails, because a client and an event happen to have the same id.
    """
    with as_migrator() as opened, opened.cursor() as cursor:
        cursor.execute(_START_APART, [_APART])


def empty_the_trail(cursor: Any) -> None:
    cursor.execute("TRUNCATE audit.entry, audit.seal; UPDATE audit.boundary SET last_id = 0, xid = '0'")


@contextmanager
def as_migrator() -> Iterator[Any]:
    with _connected(env("PG_MIGRATOR_USER", default="eecrm_migrator"), env("PG_MIGRATOR_PASSWORD")) as opened:
        yield opened


@contextmanager
def _connected(user: str, password: str) -> Iterator[Any]:
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
    with closing(opened):
        yield opened
