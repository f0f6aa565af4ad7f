"""Functions and triggers of PostgreSQL, kept as source in `<app>/sql/<function>.sql`: one current body each.

They are repeatable migrations. `sync_database` runs the files of each function that the database doesn't hold as they say,
and stamps the function. A file holds one function and the triggers that call it. A file of the same name in another app adds
triggers on the tables of that app.
"""

import hashlib
from collections import defaultdict
from functools import cache
from pathlib import Path

from django.apps import apps
from django.db import ProgrammingError, connection, transaction
from psycopg2.errors import InvalidFunctionDefinition

_STAMP = "sql "  # begins the comment of a function of ours

# Each function with its comment and a digest of it and its triggers, as PostgreSQL holds them.
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
     WHERE pronamespace IN (current_schema()::regnamespace, 'audit'::regnamespace)
       AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e')
"""

_TRIGGERS = """
    SELECT quote_ident(tgname), tgrelid::regclass::text FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
     WHERE NOT tgisinternal AND proname = %s
       AND pronamespace IN (current_schema()::regnamespace, 'audit'::regnamespace)
"""


@cache
def _files() -> dict[str, str]:
    """Function -> text of its files: the function first, then the triggers of other apps."""
    found: dict[str, list[str]] = defaultdict(list)
    for app in apps.get_app_configs():
        for path in sorted(Path(app.path, "sql").glob("*.sql")):
            found[path.stem].append(path.read_text(encoding="utf-8"))
    return {name: "\n".join(sorted(texts, key=_has_triggers_alone)) for name, texts in found.items()}


def _has_triggers_alone(text: str) -> bool:
    return "CREATE OR REPLACE FUNCTION" not in text


def sources() -> dict[str, str]:
    """Function -> SQL that creates it and its triggers: the files, and the functions that apps generate (`sql_functions`)."""
    generated: dict[str, str] = {}
    for app in apps.get_app_configs():
        if declared := getattr(app, "sql_functions", None):
            generated |= declared()
    return generated | _files()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def differences() -> dict[str, str]:
    """Function -> SQL to run, for each that the database holds otherwise; a function without source is dropped."""
    wanted, stored = sources(), _stored()
    changed = {name: text for name, text in wanted.items() if stored.get(name) != f"{_STAMP}{_digest(text)}"}
    return changed | {name: "" for name in stored.keys() - wanted.keys()}


def _stored() -> dict[str, str]:
    """Function -> stamp, without the digest of what PostgreSQL holds; empty where the two don't agree."""
    found: dict[str, str] = {}
    for name, _, comment, held in _rows():
        stamp, _, stamped = comment.rpartition(" ")
        found[name] = stamp if stamped == held and name not in found else ""
    return found


def _rows() -> list[tuple[str, str, str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(_STORED)
        return list(cursor.fetchall())


def install(changes: dict[str, str]) -> None:
    """Run the SQL of `differences()` and stamp its functions, in one transaction. For the migrator."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL check_function_bodies = off")  # a body may name a function that comes later
        for name, text in changes.items():
            _drop_triggers(name)  # the files make those again that they still have
            if not text or not _created(text):
                _drop(name)
                cursor.execute(text or "SELECT")
        for name in _overloaded() & changes.keys():  # its arguments have changed
            _drop(name)
            cursor.execute(changes[name])
        for name, signature, _, held in _rows():
            if name in changes:
                stamp = f"{_STAMP}{_digest(changes[name])} {held}"
                cursor.execute(f"COMMENT ON FUNCTION {signature} IS %s", [stamp])


def _created(text: str) -> bool:
    """Whether PostgreSQL replaced the function. It refuses to change what a function returns."""
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
    """With its triggers and the row security policies that call it: `sync_database` makes those again."""
    with connection.cursor() as cursor:
        for signature in [signature for stored, signature, _, _ in _rows() if stored == name]:
            cursor.execute(f"DROP FUNCTION {signature} CASCADE")


def _overloaded() -> set[str]:
    names = [name for name, *_ in _rows()]
    return {name for name in names if names.count(name) > 1}
