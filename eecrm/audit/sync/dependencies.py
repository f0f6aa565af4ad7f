"""Related columns in a resource's representation: when one of them changes, sync sends the row again."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

from django.db.models import F, Model

from api.resources.serializers import ResourceSerializer


class Dependency(NamedTuple):
    """Rows that refer to a row of `table` by `lookup` look different when one of its `columns` changes."""

    lookup: str
    table: str
    columns: frozenset[str]


@cache
def dependencies(serializer: type[ResourceSerializer], *others: str) -> tuple[Dependency, ...]:
    """Dependencies of the representation on related rows. `others` are lookups that decide which users see a row."""
    columns: dict[tuple[str, str], set[str]] = {}
    model: Any = serializer.Meta.model
    # Lookup through the parents -> local column with the same value.
    handed_down = model.objects.all().handed_down
    for lookup, table, names in _steps(model, (*serializer.row("", masked=False).paths, *others)):
        columns.setdefault((handed_down.get(lookup, lookup), table), set()).update(names)
    return tuple(Dependency(lookup, table, frozenset(names)) for (lookup, table), names in columns.items())


def _steps(model: type[Model], paths: Iterable[str]) -> Iterator[tuple[str, str, set[str]]]:
    """For each related model on a path: the lookup to it, its table, and the columns that the path uses there."""
    for path in paths:
        current, lookup = model, ""
        for step in path.split("__"):
            field: Any = current._meta.get_field(step)
            if lookup:
                yield lookup, current._meta.db_table, _stored_columns(current, field)
            current, lookup = field.related_model, f"{lookup}__{step}".removeprefix("__")


def _stored_columns(model: type[Model], field: Any) -> set[str]:
    """The field's columns on the trail. A generated column (`display_name`) isn't there, so its source columns are."""
    if not field.generated:
        return {field.column}
    columns = {known.name: str(known.column) for known in model._meta.concrete_fields}
    sources: list[Any] = [node for node in field.expression.flatten() if isinstance(node, F)]
    return {columns[source.name] for source in sources}
