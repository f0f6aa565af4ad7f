"""Finds the columns of related rows that a resource's representation shows.

If such a column changes, `sync/` sends the rows that show it again. An example is the name of a contract's client.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

from django.db.models import F, Model

from api.resources.serializers import ResourceSerializer


class Dependency(NamedTuple):
    """Rows whose `lookup` leads to a row of `table` are represented differently after a change of its `columns`."""

    lookup: str
    table: str
    columns: frozenset[str]


@cache
def dependencies(serializer: type[ResourceSerializer], *others: str) -> tuple[Dependency, ...]:
    """Returns the dependencies of a representation on related rows.

    `others` are more lookups whose columns count, because they decide which users may see a row.
    """
    columns: dict[tuple[str, str], set[str]] = {}
    model: Any = serializer.Meta.model
    # Lookup through the parents -> local field with the same value, such as "client__sales_contact" -> "sales_contact".
    handed_down = model.objects.all().handed_down
    for lookup, table, names in _steps(model, (*serializer.row("", masked=False).paths, *others)):
        columns.setdefault((handed_down.get(lookup, lookup), table), set()).update(names)
    return tuple(Dependency(lookup, table, frozenset(names)) for (lookup, table), names in columns.items())


def _steps(model: type[Model], paths: Iterable[str]) -> Iterator[tuple[str, str, set[str]]]:
    """Yields the lookup, the table, and the used columns of each related model on a path."""
    for path in paths:
        current, lookup = model, ""
        for step in path.split("__"):
            field: Any = current._meta.get_field(step)
            if lookup:
                yield lookup, current._meta.db_table, _stored_columns(current, field)
            current, lookup = field.related_model, f"{lookup}__{step}".removeprefix("__")


def _stored_columns(model: type[Model], field: Any) -> set[str]:
    """Returns the columns that the trail records for a field.

    A generated column, such as `display_name`, isn't recorded, so the columns that it is computed from are returned.
    """
    if not field.generated:
        return {field.column}
    columns = {known.name: str(known.column) for known in model._meta.concrete_fields}
    sources: list[Any] = [node for node in field.expression.flatten() if isinstance(node, F)]
    return {columns[source.name] for source in sources}
