"""Queries that Django compiles once and that each request fills with its own values (ADR 18).

Building and compiling the same queryset for each request took a third of a list's time (`scripts/bench`).

A queryset is built as usual, but with a `Slot` for each value that differs between requests. Its SQL is cached. The
cache key must name everything else that shapes the query: the role, the groups, the parents, the order.
"""

from typing import Any, NamedTuple, Self

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model, QuerySet, Value


class Slot(Value):
    """Placeholder for a value that comes with the request."""

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return "%s", (self,)


class Statement(NamedTuple):
    """A compiled query: SQL and parameters. It returns columns as psycopg2 reads them, without Django's conversions.

    The SQL is empty if Django knows that no row can match. Then no query runs.
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
    """Compiled query whose rows become instances of the model, with Django's conversions, as a queryset makes them."""

    statement: Statement
    model: type[Model]
    names: tuple[str, ...]  # of the attributes, in the order of the columns
    converters: dict[int, Any]  # column -> Django's functions and the expression that they take

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
        """Run the query. Returns the first instance, or None."""
        for row in self.statement.rows(values)[:1]:
            fields = list(row)
            for position, (functions, column) in self.converters.items():
                for function in functions:
                    fields[position] = function(fields[position], column, connection)
            return self.model.from_db(DEFAULT_DB_ALIAS, self.names, fields)
        return None


class Anybody(NamedTuple):
    """Stand-in for any user of a role: a query is compiled once for all of them, with the user's id as a slot."""

    effective_role: str
    group_names: frozenset[str] = frozenset()
    pk: Any = Slot("caller")
    covered_ids: tuple[int, ...] = ()
    covering: tuple[Any, ...] = ()
