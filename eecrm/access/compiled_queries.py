"""Queries that Django compiles to SQL once, and that each request fills with its own values (ADR 18).

Building and compiling the same queryset for each request took a third of the time of a list request (`scripts/bench`).
A queryset is built as usual, but with a `Slot` (placeholder) for each value that differs between requests. The SQL is
cached. The cache key must contain everything else that changes the SQL: the user's role and groups, the parent resources in
the URL, and the order.
"""

from typing import Any, NamedTuple, Self

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model, QuerySet, Value


class Slot(Value):
    """Placeholder in a compiled query. Each request supplies the value for it."""

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return "%s", (self,)


class Statement(NamedTuple):
    """A compiled query: SQL and parameters. It returns columns as psycopg2 reads them, without Django's conversions.

    If Django knows that no row can match, the SQL is empty and no query runs.
    """

    sql: str
    params: tuple[Any, ...]

    @classmethod
    def of(cls, queryset: QuerySet[Any, Any]) -> Self:
        try:
            sql, params = queryset.query.sql_with_params()
        except EmptyResultSet:
            return cls("", ())
        return cls(sql, tuple(params))

    def rows(self, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Runs the query and returns its rows. `values` maps the name of each slot to its value in this request."""
        if not self.sql:
            return []
        with connection.cursor() as cursor:
            cursor.execute(
                self.sql, [values[param.value] if isinstance(param, Slot) else param for param in self.params]
            )
            return cursor.fetchall()


class InstanceStatement(NamedTuple):
    """Compiled query that returns model instances. It applies Django's conversions of values, as a queryset does."""

    statement: Statement
    model: type[Model]
    names: tuple[str, ...]  # attributes of the model, in the order of the columns
    # Maps a column's position to a pair: Django's functions that convert its values, and the column as an expression.
    converters: dict[int, Any]

    @classmethod
    def of(cls, queryset: QuerySet[Any, Any]) -> Self:
        compiler = queryset.query.get_compiler(DEFAULT_DB_ALIAS)
        try:
            sql, params = compiler.as_sql()
        except EmptyResultSet:
            return cls(Statement("", ()), queryset.model, (), {})
        columns: list[Any] = [column for column, *_ in compiler.select or ()]
        names = tuple(column.target.attname for column in columns)
        return cls(Statement(sql, tuple(params)), queryset.model, names, compiler.get_converters(columns))

    def first(self, values: dict[str, Any]) -> Any:
        """Runs the query. Returns the first row as a model instance, or None if there is no row."""
        for row in self.statement.rows(values)[:1]:
            fields = list(row)
            for position, (functions, column) in self.converters.items():
                for function in functions:
                    fields[position] = function(fields[position], column, connection)
            return self.model.from_db(DEFAULT_DB_ALIAS, self.names, fields)
        return None


class Anybody(NamedTuple):
    """Stand-in for any user of a role. One compiled query serves all of them, with a `Slot` for the user's id."""

    effective_role: str
    group_names: frozenset[str] = frozenset()
    pk: Any = Slot("caller")
    covered_ids: tuple[int, ...] = ()
    covering: tuple[Any, ...] = ()
