"""SQL expression that renders a row as finished JSON, from a template that is built once.

With nested JSONObject functions, Django would resolve and compile some thirty expressions in each request.
That takes a third of the time of a list request (`scripts/bench`). With a template, Django only resolves the joins.
"""

import copy
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Self

from django.db.models import Expression, TextField

from access.compiled_queries import Slot


def sql_literal(text: str) -> str:
    """Quotes a text as an SQL literal in a template. Only for constants of the code, never for text from a caller."""
    return "'" + text.replace("'", "''").replace("%", "%%").replace("{", "{{").replace("}", "}}") + "'"


class Row(Expression):
    """Django expression that renders a row as JSON.

    In `template`, `{client__company_name}` stands for that column, and `%s` for `root`, the absolute URL of the API.
    `paths` are the lookups of all columns in the template.
    """

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
            if (known_column := tables.get(table)) is None:
                column = tables[table] = query.resolve_ref(path, allow_joins, reuse, summarize)
            else:  # reuse the join of this table, because Django's search for the join is slow
                column = known_column.target.model._meta.get_field(name).get_col(known_column.alias)
            resolved.columns.append(column)
        return resolved

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        aliases = {column.alias: compiler.quote_name_unless_alias(column.alias) for column in self.columns}
        names = tuple(f'{aliases[column.alias]}."{column.target.column}"' for column in self.columns)
        sql = _fill_template(self.template, self.paths, names)
        return sql, (self.root,) * sql.count("%s")


@lru_cache(maxsize=1_000)
def _fill_template(template: str, paths: tuple[str, ...], names: tuple[str, ...]) -> str:
    return template.format(**dict(zip(paths, names, strict=True)))
