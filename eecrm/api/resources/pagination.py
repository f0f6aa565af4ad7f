"""Keyset pagination: a page begins after the values of the previous page's last row.

So page 20,000 costs as much as page 1.
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

import orjson
from django.core.exceptions import ValidationError
from django.db.models import Expression, Field, Func, Model, Q, QuerySet, UUIDField, Value
from django.db.models.lookups import GreaterThan, LessThan
from rest_framework.request import Request

from api.requests.problems import BadQuery, bad_parameter
from api.requests.renderers import JSONText
from api.resources.search import order_columns

DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE = 50, 200
MAX_TERMS = 10  # number of placeholders for ordering fields in a compiled query; every list has fewer ordering fields
PAGE_PARAMETER_NAMES = ("page_size", "cursor")
PARAMETERS = (*PAGE_PARAMETER_NAMES, "ordering", "count")
_OTHER_CURSOR = (
    "This cursor is not one of this list: send the other parameters that its page had, or start again without it."
)


@dataclass(frozen=True)
class PageCursor:
    """Position in a list: the values of the first or last row on a page, and the direction in which to read on.

    `list_digest` identifies the list, because a position means nothing in another one.
    """

    list_digest: str
    backwards: bool
    values: tuple[Any, ...]

    def encode(self) -> str:
        parts = [self.list_digest, self.backwards, *self.values]
        return base64.urlsafe_b64encode(orjson.dumps(parts, default=str)).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, list_digest: str, model: type[Model], fields: list[str]) -> "PageCursor":
        """Parses a cursor.

        Raises BadQuery if the cursor is one of another list, or lacks a valid value for an ordering field.
        """
        try:
            digest, backwards, *values = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            if digest != list_digest or type(backwards) is not bool or len(values) != len(fields):
                raise ValueError
            pairs = zip(fields, values, strict=True)
            return cls(list_digest, backwards, tuple(_typed_field(model, name, value) for name, value in pairs))
        except (ValueError, TypeError, ValidationError, ArithmeticError):
            raise BadQuery({"cursor": [_OTHER_CURSOR]}) from None


def _typed_field(model: type[Model], name: str, value: Any) -> Any:
    field: Any = model._meta.get_field(name)
    if not isinstance(value, str | int) or isinstance(value, bool) or "\x00" in str(value):
        raise ValueError(value)
    if name != "id" or isinstance(field, UUIDField):
        return field.clean(value, None)
    typed = int(value)
    if not 0 <= typed < 2**63:
        raise ValueError(value)
    return typed


def _list_digest(request: Request, order: Sequence[tuple[str, bool]]) -> str:
    """Returns a digest of the path, the order, the filters and the search of a list.

    The size of a page and the count may differ from page to page.
    """
    selection = {name: value for name, value in request.query_params.items() if name not in PARAMETERS and value}
    content = orjson.dumps([request.path, list(order), selection], option=orjson.OPT_SORT_KEYS)
    return blake2b(content, digest_size=9).hexdigest()


def page_size(request: Request, *, default: int = DEFAULT_PAGE_SIZE) -> int:
    text = request.query_params.get("page_size", str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_PAGE_SIZE):
        raise bad_parameter(request, "page_size", f"A page holds 1 to {MAX_PAGE_SIZE} rows.")
    return int(text)


def _ordering(request: Request, allowed: tuple[str, ...], default: str) -> list[tuple[str, bool]]:
    """Returns the order of a list, such as [("name", False), ("id", False)]. True means descending.

    The last field is always the id, so that no two rows have the same position.
    """
    terms = request.query_params.get("ordering", default).split(",")
    order = [(term.removeprefix("-"), term.startswith("-")) for term in terms]
    names = [name for name, _ in order]
    if any(name not in allowed for name in names) or len(set(names)) != len(names):
        detail = f"Order by one or more of {', '.join(allowed)}; a minus sign before it turns it round."
        raise bad_parameter(request, "ordering", detail)
    if names[-1] != "id":
        order.append(("id", order[-1][1]))
    return order


def _after(order: Sequence[tuple[str, bool]], values: Sequence[Any]) -> Q | Expression:
    """Returns the filter condition for the rows that come after `values` in this order.

    If all fields have the same direction, the condition compares tuples (SQL rows), which an index on the fields
    supports.
    Otherwise an extra condition bounds the first field, so that an index on that field can be used.
    """
    names, directions = zip(*order, strict=True)
    if len(set(directions)) == 1:
        # In a compiled query, each value is a placeholder (`Slot`, a subclass of Value), so it isn't wrapped in Value.
        expressions = (value if isinstance(value, Value) else Value(value) for value in values)
        columns, edge = (Func(*parts, function="ROW", output_field=Field()) for parts in (names, expressions))
        return LessThan(columns, edge) if directions[0] else GreaterThan(columns, edge)
    condition, equal = Q(), Q()
    for (name, descending), value in zip(order, values, strict=True):
        condition |= equal & Q(**{f"{name}__{'lt' if descending else 'gt'}": value})
        equal &= Q(**{name: value})
    name, descending = order[0]
    return Q(**{f"{name}__{'lte' if descending else 'gte'}": values[0]}) & condition


def _page_url(request: Request, cursor: PageCursor) -> str:
    query = request.query_params.dict() | {"cursor": cursor.encode()}
    return request.build_absolute_uri(f"{request.path}?{urlencode(sorted(query.items()))}")


class PageBounds(NamedTuple):
    """Order and size of a page.

    If `is_beyond` is true, the page begins after given values, else at the list's start.
    """

    order: tuple[tuple[str, bool], ...]
    size: int
    is_beyond: bool = False

    def of(self, queryset: QuerySet[Any], values: Sequence[Any], *columns: Any) -> QuerySet[Any, Any]:
        """Returns the page's rows as tuples: `columns`, followed by the values of the ordering fields."""
        rows = queryset.filter(_after(self.order, values)) if self.is_beyond else queryset
        rows = rows.order_by(*(f"-{name}" if descending else name for name, descending in self.order))
        return rows.values_list(*columns, *(name for name, _ in self.order))[: self.size]


class Source(Protocol):
    """Interface of an object from which `page` reads and counts the rows of a list."""

    def read(self, bounds: PageBounds, values: tuple[Any, ...]) -> Iterable[tuple[Any, ...]]:
        """Reads the rows of a page. The page begins after the row with these values of the ordering fields."""

    def count(self) -> int: ...


@dataclass(frozen=True)
class QuerySetSource:
    """Reads and counts the rows of a queryset. Each row is a tuple of the values of `columns`."""

    rows: QuerySet[Any]
    columns: Sequence[Any]

    def read(self, bounds: PageBounds, values: tuple[Any, ...]) -> Iterable[tuple[Any, ...]]:
        return bounds.of(self.rows, values, *self.columns)

    def count(self) -> int:
        return self.rows.count()


def cut(
    source: Source, request: Request, model: type[Model], *, allowed: tuple[str, ...], default: str
) -> tuple[list[tuple[Any, ...]], dict[str, str | None]]:
    """Returns the rows of the requested page and the URLs of the `next` and `previous` page.

    Each row that `source` reads must end with the values of the ordering fields, like the rows of `PageBounds.of`.
    Raises BadQuery for an invalid `page_size`, `ordering` or `cursor`.
    """
    size = page_size(request)
    columns = order_columns(model)
    order = [(columns.get(name, name), descending) for name, descending in _ordering(request, allowed, default)]
    digest, text = _list_digest(request, order), request.query_params.get("cursor")
    cursor = PageCursor.decode(text, digest, model, [name for name, _ in order]) if text else None
    backwards = cursor is not None and cursor.backwards
    direction = tuple((name, descending != backwards) for name, descending in order)
    # One row more than the page shows is read. If this row exists, there is another page.
    rows = list(source.read(PageBounds(direction, size + 1, cursor is not None), cursor.values if cursor else ()))
    has_more = len(rows) > size
    del rows[size:]
    if backwards:
        rows.reverse()
    links = {}
    for label, is_back, edge in (("next", False, -1), ("previous", True, 0)):
        is_linked = has_more if is_back == backwards else cursor is not None
        links[label] = (
            _page_url(request, PageCursor(digest, is_back, rows[edge][-len(order) :])) if rows and is_linked else None
        )
    return rows, links


def page(source: Source, request: Request, model: type[Model], *, allowed: tuple[str, ...], default: str) -> JSONText:
    """Returns the page as JSON text: `next`, `previous`, `results` and, if requested, `count`.

    The first column of each row is the row as JSON, rendered by PostgreSQL. Raises BadQuery for invalid parameters.
    """
    rows, links = cut(source, request, model, allowed=allowed, default=default)
    members = [f'"{label}":{orjson.dumps(link).decode()}' for label, link in links.items()]
    match request.query_params.get("count", "false"):
        case "true":
            members.append(f'"count":{source.count()}')
        case "false":
            pass
        case _:
            raise bad_parameter(request, "count", "This is true or false.")
    return JSONText(f'{{{",".join(members)},"results":[{",".join([row[0] for row in rows])}]}}')
