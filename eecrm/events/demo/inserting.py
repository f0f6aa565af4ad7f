"""Inserts many rows with few statements. PostgreSQL refuses COPY for tables with row security."""

from collections.abc import Iterable
from typing import NamedTuple

from django.db import connection
from django.db.models import Model
from psycopg2.extras import execute_values

# An insert of 1,000 rows takes 1 to 2 s on two busy processors (load average of 12).
# So an insert of 250 rows stays far below the statement timeout of 15 s.
MAX_DEMO_ROWS_PER_STATEMENT = 250


def reserve_ids(model: type[Model], count: int) -> list[int]:
    """Takes primary keys from the model's sequence, so that rows can refer to parents that aren't stored yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [model._meta.db_table, count],
        )
        return [key for (key,) in cursor.fetchall()]


def insert_rows(model: type[Model], rows: Iterable[NamedTuple], columns: tuple[str, ...]) -> None:
    """Inserts rows into the model's table. `columns` are the column names of a row's values, in the same order."""
    statement = f"INSERT INTO {model._meta.db_table} ({', '.join(columns)}) VALUES %s"
    # `execute_values` needs psycopg2's own cursor, which doesn't turn database errors into Django's exceptions.
    # `wrap_database_errors` turns them into Django's exceptions.
    with connection.cursor() as cursor, connection.wrap_database_errors:
        execute_values(cursor.cursor, statement, rows, page_size=MAX_DEMO_ROWS_PER_STATEMENT)
