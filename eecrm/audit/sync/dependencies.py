"""Finds the columns of related rows that a resource's representation shows.

For example, the representation of a contract shows the name of its client. If such a column changes, `sync/`
sends again all rows that show it.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

from django.db.models import F, Model

from api.resources.serializers import ResourceSerializer


class Dependency(NamedTuple):
    """The rows of a resource depend on related rows. For example, contracts depend on their client.

    `lookup` leads from a row to the related row in `table`. If one of `columns` changes there, the representation of
    the row changes, too.
    """

    lookup: str
    table: str
    columns: frozenset[str]


@cache
def dependencies(serializer: type[ResourceSerializer], *others: str) -> tuple[Dependency, ...]:
    """Returns the dependencies of a resource's representation on related rows.

    `others` are further lookups to columns that decide which users may see a row.
    """
    columns: dict[tuple[str, str], set[str]] = {}
    model: Any = serializer.Meta.model
    # Maps lookups to local fields with the same value, for example "client__sales_contact" -> "sales_contact".
    handed_down = model.objects.all().handed_down
    for lookup, table, names in _steps(model, (*serializer.row("", masked=False).paths, *others)):
        columns.setdefault((handed_down.get(lookup, lookup), table), set()).update(names)
    return tuple(Dependency(lookup, table, frozenset(names)) for (lookup, table), names in columns.items())


def _steps(model: type[Model], paths: Iterable[str]) -> Iterator[tuple[str, str, set[str]]]:
    """For each related model that a lookup path passes, yields its lookup, its table and its columns in the path.

    For example, "client__company_name" -> ("client", "clients_client", {"company_name"}).
    """
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
