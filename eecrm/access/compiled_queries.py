"""Statements that Django compiles once: it would build and compile the same list anew for each request, which is a third of
what a list costs (`scripts/bench`).

A queryset is built as ever, but with a `Slot` wherever each request has a value of its own; what it compiles to is kept, and
filled. Whoever keeps one must name all else that shapes it: who looks in which role, the parents, the order.
"""

from typing import Any, NamedTuple, Self

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet, Value


class Slot(Value):
    """The place of a value that comes with the request."""

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return "%s", (self,)


class Statement(NamedTuple):
    """SQL for values that need no conversion on their way out; without any, it finds nothing, and PostgreSQL isn't asked."""

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
        """The rows, with these values in its slots."""
        if not self.sql:
            return []
        with connection.cursor() as cursor:
            cursor.execute(self.sql, [values[one.value] if isinstance(one, Slot) else one for one in self.params])
            return cursor.fetchall()


class Anybody(NamedTuple):
    """Whoever looks in this role, as a statement for all of them sees it: their key is a slot."""

    effective_role: str
    group_names: frozenset[str] = frozenset()
    pk: Any = Slot("caller")
    covered_ids: tuple[int, ...] = ()
    covering: tuple[Any, ...] = ()
