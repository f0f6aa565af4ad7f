"""A row of a resource as finished JSON, in SQL that is written once.

Django builds, resolves, hashes and compiles some thirty expressions for a row of nested functions, anew for each request:
that is a third of what a list costs (`scripts/bench`). Here it resolves the columns only.
"""

import copy
from collections.abc import Sequence
from typing import Any, Self

from django.db.models import Expression, TextField


def quoted(text: str) -> str:
    """A constant of the code in SQL; nothing that anybody sent ever stands there."""
    return "'" + text.replace("'", "''").replace("%", "%%").replace("{", "{{").replace("}", "}}") + "'"


class Row(Expression):
    """`template` is SQL in which `{client__company_name}` stands for that column, and `%s` for the root of addresses."""

    def __init__(self, template: str, paths: tuple[str, ...], root: str) -> None:
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
        resolved = copy.copy(self)
        resolved.columns = [query.resolve_ref(path, allow_joins, reuse, summarize) for path in self.paths]
        return resolved

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[str, ...]]:
        names = (compiler.compile(column)[0] for column in self.columns)
        sql = self.template.format(**dict(zip(self.paths, names, strict=True)))
        return sql, (self.root,) * sql.count("%s")
