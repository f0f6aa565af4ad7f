"""Installs PostgreSQL's functions and triggers from the files `<app>/sql/<function>.sql`.

A file holds the current version of one function, and the triggers that call it. A file of the same name in another app
adds triggers on the tables of that app. The files are repeatable migrations. `sync_database` runs the files of each
function that differs from the database, and writes a hash of the files (the stamp) into the function's COMMENT.

A trigger for each row may run thousands of times in one statement, and PostgreSQL caches the plans of its queries. A
plan made for a small table reads the whole table each time, even when an import has filled the table. So a function
that may have such a plan sets `enable_seqscan = off`.
"""

import hashlib
from collections import defaultdict
from functools import cache
from pathlib import Path

from django.apps import apps
from django.db import ProgrammingError, connection, transaction
from psycopg2.errors import InvalidFunctionDefinition

_STAMP = "sql "  # prefix of the stamp in the COMMENT on each function

# Selects each function with its COMMENT, and a digest of its definition and triggers in the database.
_STORED = """
    SELECT proname::text, oid::regprocedure::text, coalesce(obj_description(oid, 'pg_proc'), ''),
           md5(pg_get_functiondef(oid) || coalesce(triggers.definitions, ''))
      FROM pg_proc
      LEFT JOIN (SELECT tgfoid, string_agg(pg_get_triggerdef(trigger.oid) || tgenabled::text, ';'
                                           ORDER BY nspname, relname, tgname) AS definitions
                   FROM pg_trigger AS trigger
                   JOIN pg_class AS class ON class.oid = tgrelid
                   JOIN pg_namespace AS namespace ON namespace.oid = relnamespace
                  WHERE NOT tgisinternal GROUP BY tgfoid) AS triggers ON tgfoid = oid
     WHERE pronamespace IN (current_schema()::regnamespace, 'audit'::regnamespace, to_regnamespace('report'))
       AND NOT EXISTS (SELECT FROM pg_depend
                        WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e')
"""

_TRIGGERS = """
    SELECT quote_ident(tgname), tgrelid::regclass::text FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
     WHERE NOT tgisinternal AND proname = %s
       AND pronamespace IN (current_schema()::regnamespace, 'audit'::regnamespace, to_regnamespace('report'))
"""


@cache
def _files() -> dict[str, str]:
    """Maps function name to the text of its SQL files: the function first, then the triggers of other apps."""
    texts_of: dict[str, list[str]] = defaultdict(list)
    for app in apps.get_app_configs():
        for path in sorted(Path(app.path, "sql").glob("*.sql")):
            texts_of[path.stem].append(path.read_text(encoding="utf-8"))
    return {name: "\n".join(sorted(texts, key=_has_only_triggers)) for name, texts in texts_of.items()}


def _has_only_triggers(text: str) -> bool:
    return "CREATE OR REPLACE FUNCTION" not in text


def sources() -> dict[str, str]:
    """Maps function name to the SQL that creates the function and its triggers.

    The SQL comes from the files, or from the method `sql_functions` of an AppConfig.
    """
    generated: dict[str, str] = {}
    for app in apps.get_app_configs():
        if declared := getattr(app, "sql_functions", None):
            generated |= declared()
    return generated | _files()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def function_differences() -> dict[str, str]:
    """Maps function name to the SQL to run, for each function that differs from the database.

    The SQL is "" if the function must be dropped.
    """
    wanted, stored = sources(), _stored()
    changed = {name: text for name, text in wanted.items() if stored.get(name) != f"{_STAMP}{_digest(text)}"}
    return changed | {name: "" for name in stored.keys() - wanted.keys()}


def _stored() -> dict[str, str]:
    """Maps function name to stamp (hash in the COMMENT), for each function in the database.

    The stamp is "" if the function was changed after it was stamped. It is also "" if several functions have this name.
    """
    stamps: dict[str, str] = {}
    for name, _, comment, digest in _rows():
        stamp, _, stamped_digest = comment.rpartition(" ")
        stamps[name] = stamp if stamped_digest == digest and name not in stamps else ""
    return stamps


def _rows() -> list[tuple[str, str, str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(_STORED)
        return list(cursor.fetchall())


def install(changes: dict[str, str]) -> None:
    """Runs the SQL of `function_differences()` in one transaction, and stamps the functions (hash in the COMMENT).

    Only the migrator role may call it.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        # Without this setting a function couldn't call another function that is created later.
        cursor.execute("SET LOCAL check_function_bodies = off")
        for name, text in changes.items():
            _drop_triggers(name)  # the SQL creates again all triggers that the files still contain
            if not text or not _create_or_replace(text):
                _drop(name)
                cursor.execute(text or "SELECT")
        # If the arguments of a function changed, CREATE has added a second function of this name.
        # If a name belongs to two functions, both are dropped before the SQL runs again.
        for name in _overloaded() & changes.keys():
            _drop(name)
            cursor.execute(changes[name])
        for name, signature, _, digest in _rows():
            if name in changes:
                stamp = f"{_STAMP}{_digest(changes[name])} {digest}"
                cursor.execute(f"COMMENT ON FUNCTION {signature} IS %s", [stamp])


def _create_or_replace(text: str) -> bool:
    """Runs `text`, a CREATE OR REPLACE FUNCTION statement.

    Returns False if the present function has another return type. PostgreSQL can't replace such a function.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(text)
    except ProgrammingError as error:
        if isinstance(error.__cause__, InvalidFunctionDefinition):
            return False
        raise
    return True


def _drop_triggers(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_TRIGGERS, [name])
        for trigger, table in cursor.fetchall():
            cursor.execute(f"DROP TRIGGER {trigger} ON {table}")


def _drop(name: str) -> None:
    """Drops the function, with the triggers and row security policies that call it.

    `sync_database` creates all of them again.
    """
    with connection.cursor() as cursor:
        for signature in [signature for stored, signature, _, _ in _rows() if stored == name]:
            cursor.execute(f"DROP FUNCTION {signature} CASCADE")


def _overloaded() -> set[str]:
    names = [name for name, *_ in _rows()]
    return {name for name in names if names.count(name) > 1}
