"""Generates two SQL functions from the viewsets: they return the tables and columns of offline copies.

The SQL function `audit.changes` calls both (`sql/changes.sql`).
"""

from collections import defaultdict

from api.resources.registry import copied, table_of
from audit.sync.dependencies import dependencies


def sql_functions() -> dict[str, str]:
    """Returns the functions `sync_tables()` and `sync_columns(table_name)` as SQL.

    `sync_tables` returns the tables whose rows API clients may copy.
    `sync_columns` takes a table that isn't copied, and returns its columns that copied rows show; NULL if they show none.
    """
    tables = [table_of(viewset) for viewset in copied().values()]
    cases = "".join(f" WHEN '{table}' THEN {_array(columns)}" for table, columns in _shown(tables).items())
    shown = f"CASE $1{cases} END" if cases else "NULL::text[]"
    return {
        "sync_tables": _function("sync_tables()", _array(tables)),
        "sync_columns": _function("sync_columns(table_name text)", shown),
    }


def _shown(tables: list[str]) -> dict[str, list[str]]:
    """Maps each table that isn't copied, such as accounts, to its columns that the representations show."""
    found: dict[str, set[str]] = defaultdict(set)
    for viewset in copied().values():
        for one in dependencies(viewset.serializer_class):
            if one.table not in tables:
                found[one.table] |= one.columns
    return {table: sorted(columns) for table, columns in sorted(found.items())}


def _array(names: list[str]) -> str:
    return f"'{{{','.join(names)}}}'::text[]"


def _function(signature: str, value: str) -> str:
    return (
        f"CREATE OR REPLACE FUNCTION audit.{signature} RETURNS text[] LANGUAGE sql IMMUTABLE "
        f"AS $generated$SELECT {value}$generated$"
    )
