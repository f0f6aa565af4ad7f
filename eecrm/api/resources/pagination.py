"""Keyset pagination: a page begins where the last one ended, by value, so that page 20,000 costs what page 1 does."""

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson
from django.core.exceptions import ValidationError
from django.db.models import Expression, Field, Func, Model, Q, QuerySet, Value
from django.db.models.lookups import GreaterThan, LessThan
from rest_framework.request import Request

from api.requests.problems import BadQuery
from api.requests.renderers import JSONText

DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE = 50, 200
MOST_TERMS = 10  # more than any list has to order by
PAGE_PARAMETER_NAMES = ("page_size", "cursor")
PARAMETERS = (*PAGE_PARAMETER_NAMES, "ordering", "count")


def _bad(parameter: str, detail: str) -> BadQuery:
    return BadQuery({parameter: [detail]})


@dataclass(frozen=True)
class PageCursor:
    """A place in a list: the values of the ordering's fields at its edge, and which way to go from there."""

    backwards: bool
    values: tuple[Any, ...]

    def encode(self) -> str:
        return base64.urlsafe_b64encode(orjson.dumps([self.backwards, *self.values], default=str)).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, model: type[Model], fields: list[str]) -> "PageCursor":
        """Raises BadQuery for a cursor that this list didn't make, or that somebody altered."""
        try:
            backwards, *values = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            if type(backwards) is not bool or len(values) != len(fields):
                raise ValueError
            return cls(backwards, tuple(_typed(model, name, value) for name, value in zip(fields, values, strict=True)))
        except (ValueError, TypeError, ValidationError, ArithmeticError):
            raise _bad("cursor", "This cursor is not one of this list: start again without it.") from None


def _typed(model: type[Model], name: str, value: Any) -> Any:
    field: Any = model._meta.get_field(name)
    if not isinstance(value, str | int) or isinstance(value, bool) or "\x00" in str(value):
        raise ValueError(value)
    typed = field.clean(value, None) if name != "id" else int(value)
    if name == "id" and not 0 <= typed < 2**63:
        raise ValueError(value)
    return typed


def page_size(request: Request, *, default: int = DEFAULT_PAGE_SIZE) -> int:
    text = request.query_params.get("page_size", str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_PAGE_SIZE):
        raise _bad("page_size", f"A page holds 1 to {MAX_PAGE_SIZE} rows.")
    return int(text)


def _ordering(request: Request, allowed: tuple[str, ...], default: str) -> list[tuple[str, bool]]:
    """`[(field, descending)]`, always ending in the key, which makes the order total."""
    terms = request.query_params.get("ordering", default).split(",")
    order = [(term.removeprefix("-"), term.startswith("-")) for term in terms]
    names = [name for name, _ in order]
    if any(name not in allowed for name in names) or len(set(names)) != len(names):
        raise _bad("ordering", f"Order by one or more of {', '.join(allowed)}; a minus sign before it turns it round.")
    if names[-1] != "id":
        order.append(("id", order[-1][1]))
    return order


def _beyond(order: Sequence[tuple[str, bool]], values: Sequence[Any]) -> Q | Expression:
    """The rows after these values. Where all fields go one way they are compared as one row, whose place an index finds; else
    the first term bounds the leading field alone."""
    names, ways = zip(*order, strict=True)
    if len(set(ways)) == 1:
        there = (value if isinstance(value, Value) else Value(value) for value in values)  # a slot is one already
        here, place = (Func(*parts, function="ROW", output_field=Field()) for parts in (names, there))
        return LessThan(here, place) if ways[0] else GreaterThan(here, place)
    condition, equal = Q(), Q()
    for (name, descending), value in zip(order, values, strict=True):
        condition |= equal & Q(**{f"{name}__{'lt' if descending else 'gt'}": value})
        equal &= Q(**{name: value})
    name, descending = order[0]
    return Q(**{f"{name}__{'lte' if descending else 'gte'}": values[0]}) & condition


def _page_address(request: Request, cursor: PageCursor) -> str:
    query = request.query_params.dict() | {"cursor": cursor.encode()}
    return request.build_absolute_uri(f"{request.path}?{urlencode(sorted(query.items()))}")


class PageBounds(NamedTuple):
    """Where a page is, but for the values that it begins after: the order in which it is read, and how many rows at most."""

    order: tuple[tuple[str, bool], ...]
    size: int
    is_beyond: bool = False

    def of(self, queryset: QuerySet[Any], values: Sequence[Any], *columns: Any) -> QuerySet[Any, Any]:
        """Its rows: the columns, then what they are ordered by."""
        rows = queryset.filter(_beyond(self.order, values)) if self.is_beyond else queryset
        rows = rows.order_by(*(f"-{name}" if descending else name for name, descending in self.order))
        return rows.values_list(*columns, *(name for name, _ in self.order))[: self.size]


# What is at a place, beyond these values.
Read = Callable[[PageBounds, tuple[Any, ...]], Iterable[tuple[Any, ...]]]


def cut(
    read: Read, request: Request, model: type[Model], *, allowed: tuple[str, ...], default: str
) -> tuple[list[tuple[Any, ...]], dict[str, str | None]]:
    """The page that the request names: what `read` found at its place, and the addresses of the `next` and the `previous`
    one. Each row ends with what it is ordered by (`Place.of`)."""
    size = page_size(request)
    order = _ordering(request, allowed, default)
    text = request.query_params.get("cursor")
    cursor = PageCursor.decode(text, model, [name for name, _ in order]) if text else None
    backwards = cursor is not None and cursor.backwards
    direction = tuple((name, descending != backwards) for name, descending in order)
    # One row more tells whether there is another page.
    found = list(read(PageBounds(direction, size + 1, cursor is not None), cursor.values if cursor else ()))
    has_more = len(found) > size
    del found[size:]
    if backwards:
        found.reverse()
    links = {}
    for label, is_back, edge in (("next", False, -1), ("previous", True, 0)):
        more = has_more if is_back == backwards else cursor is not None
        links[label] = (
            _page_address(request, PageCursor(is_back, found[edge][-len(order) :])) if found and more else None
        )
    return found, links


def page(
    read: Read,
    count: Callable[[], int],
    request: Request,
    model: type[Model],
    *,
    allowed: tuple[str, ...],
    default: str,
) -> JSONText:
    """`{next, previous, results}`, and `count` when asked for, of rows that PostgreSQL renders in the first column."""
    found, links = cut(read, request, model, allowed=allowed, default=default)
    members = [f'"{label}":{orjson.dumps(link).decode()}' for label, link in links.items()]
    match request.query_params.get("count", "false"):
        case "true":
            members.append(f'"count":{count()}')
        case "false":
            pass
        case _:
            raise _bad("count", "count is true or false.")
    return JSONText(f'{{{",".join(members)},"results":[{",".join([row[0] for row in found])}]}}')
