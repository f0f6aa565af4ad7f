"""What a row shows of other rows: when one of those changes, the row looks different, though it didn't change itself."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

from django.db.models import F, Model

from api.resources.serializers import ResourceSerializer


class Dependency(NamedTuple):
    """Rows whose `lookup` leads to a row of `table` change with these columns of it."""

    lookup: str
    table: str
    columns: frozenset[str]


@cache
def dependencies(serializer: type[ResourceSerializer], *others: str) -> tuple[Dependency, ...]:
    """Of all that the representation shows of related rows, and of `others`: paths that decide who sees the row."""
    columns: dict[tuple[str, str], set[str]] = {}
    model: Any = serializer.Meta.model
    shorter = model.objects.all().handed_down
    for lookup, table, names in _steps(model, (*serializer.row("", masked=False).paths, *others)):
        columns.setdefault((shorter.get(lookup, lookup), table), set()).update(names)
    return tuple(Dependency(lookup, table, frozenset(names)) for (lookup, table), names in columns.items())


def _steps(model: type[Model], paths: Iterable[str]) -> Iterator[tuple[str, str, set[str]]]:
    """Each related row on the way of each path, with its column on this way."""
    for path in paths:
        here, walked = model, ""
        for step in path.split("__"):
            field: Any = here._meta.get_field(step)
            if walked:
                yield walked, here._meta.db_table, _stored_columns(here, field)
            here, walked = field.related_model, f"{walked}__{step}".removeprefix("__")


def _stored_columns(model: type[Model], field: Any) -> set[str]:
    """The columns on the trail: PostgreSQL's own (`display_name`) isn't there, but what it is made of."""
    if not field.generated:
        return {field.column}
    columns = {one.name: str(one.column) for one in model._meta.concrete_fields}
    sources: list[Any] = [node for node in field.expression.flatten() if isinstance(node, F)]
    return {columns[source.name] for source in sources}
