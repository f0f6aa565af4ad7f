"""A row of a resource as finished JSON, in SQL that is written once.

Django builds, resolves, hashes and compiles some thirty expressions for a row of nested functions, anew for each request:
that is a third of what a list costs (`scripts/bench`). Here it resolves each table only.
"""

import copy
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Self

from django.db.models import Expression, TextField

from access.compiled_queries import Slot


def sql_literal(text: str) -> str:
    """A constant of the code in SQL; nothing that anybody sent ever stands there."""
    return "'" + text.replace("'", "''").replace("%", "%%").replace("{", "{{").replace("}", "}}") + "'"


class Row(Expression):
    """`template` is SQL in which `{client__company_name}` stands for that column, and `%s` for the root of addresses."""

    def __init__(self, template: str, paths: tuple[str, ...], root: str | Slot) -> None:
        super().__init__(output_field=TextField())
        self.template, self.paths, self.root = template, paths, root
        self.columns: list[Any] = []

    def get_source_expressions(self) -> list[Any]:
        return self.columns

    def set_source_expressions(self, exprs: Sequence[Any]) -> None:
        self.columns = list(exprs)

    def resolve_expression(
        self,
        query: Any = None,
        allow_joins: bool = True,
        reuse: Any = None,
        summarize: bool = False,
        for_save: bool = False,
    ) -> Self:
        resolved, tables = copy.copy(self), dict[str, Any]()
        resolved.columns = []
        for path in self.paths:
            table, _, name = path.rpartition("__")
            if (seen := tables.get(table)) is None:
                column = tables[table] = query.resolve_ref(path, allow_joins, reuse, summarize)
            else:  # the same join again, which Django would look for anew
                column = seen.target.model._meta.get_field(name).get_col(seen.alias)
            resolved.columns.append(column)
        return resolved

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        aliases = {column.alias: compiler.quote_name_unless_alias(column.alias) for column in self.columns}
        names = tuple(f'{aliases[column.alias]}."{column.target.column}"' for column in self.columns)
        sql = _filled(self.template, self.paths, names)
        return sql, (self.root,) * sql.count("%s")


@lru_cache(maxsize=1_000)
def _filled(template: str, paths: tuple[str, ...], names: tuple[str, ...]) -> str:
    return template.format(**dict(zip(paths, names, strict=True)))
