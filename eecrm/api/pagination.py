"""Keyset pagination: a page begins where the last one ended, by value, so that page 20,000 costs what page 1 does."""

import base64
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson
from django.core.exceptions import ValidationError
from django.db.models import Expression, Field, Func, Model, Q, QuerySet, Value
from django.db.models.lookups import GreaterThan, LessThan
from rest_framework.request import Request

from api.problems import BadQuery
from api.renderers import JSONText

DEFAULT_SIZE, LARGEST_SIZE = 50, 200
PAGE_PARAMETERS = ("page_size", "cursor")
PARAMETERS = (*PAGE_PARAMETERS, "ordering", "count")


def _bad(parameter: str, detail: str) -> BadQuery:
    return BadQuery({parameter: [detail]})


@dataclass(frozen=True)
class Cursor:
    """A place in a list: the values of the ordering's fields at its edge, and which way to go from there."""

    backwards: bool
    values: tuple[Any, ...]

    def encode(self) -> str:
        return base64.urlsafe_b64encode(orjson.dumps([self.backwards, *self.values], default=str)).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, model: type[Model], fields: list[str]) -> "Cursor":
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


def page_size(request: Request, *, default: int = DEFAULT_SIZE) -> int:
    text = request.query_params.get("page_size", str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= LARGEST_SIZE):
        raise _bad("page_size", f"A page holds 1 to {LARGEST_SIZE} rows.")
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


def _beyond(order: list[tuple[str, bool]], values: tuple[Any, ...]) -> Q | Expression:
    """The rows after these values. Where all fields go one way they are compared as one row, whose place an index finds; else
    the first term bounds the leading field alone."""
    names, ways = zip(*order, strict=True)
    if len(set(ways)) == 1:
        here, place = (Func(*parts, function="ROW", output_field=Field()) for parts in (names, map(Value, values)))
        return LessThan(here, place) if ways[0] else GreaterThan(here, place)
    condition, equal = Q(), Q()
    for (name, descending), value in zip(order, values, strict=True):
        condition |= equal & Q(**{f"{name}__{'lt' if descending else 'gt'}": value})
        equal &= Q(**{name: value})
    name, descending = order[0]
    return Q(**{f"{name}__{'lte' if descending else 'gte'}": values[0]}) & condition


def _address(request: Request, cursor: Cursor) -> str:
    query = request.query_params.copy()
    query["cursor"] = cursor.encode()
    return request.build_absolute_uri(f"{request.path}?{urlencode(sorted(query.items()))}")


def cut(
    queryset: QuerySet[Any], request: Request, *columns: Any, allowed: tuple[str, ...], default: str
) -> tuple[list[tuple[Any, ...]], dict[str, str | None]]:
    """The page that the request names, in one statement: its rows (the columns, then what they are ordered by), and the
    addresses of the `next` and the `previous` one."""
    size = page_size(request)
    order = _ordering(request, allowed, default)
    names = [name for name, _ in order]
    text = request.query_params.get("cursor")
    cursor = Cursor.decode(text, queryset.model, names) if text else None
    backwards = cursor is not None and cursor.backwards
    direction = [(name, descending != backwards) for name, descending in order]
    rows = queryset if cursor is None else queryset.filter(_beyond(direction, cursor.values))
    rows = rows.order_by(*(f"-{name}" if descending else name for name, descending in direction))
    found = list(rows.values_list(*columns, *names)[: size + 1])
    has_more = len(found) > size
    found = found[:size]
    if backwards:
        found.reverse()
    links = {}
    for label, is_back, edge in (("next", False, -1), ("previous", True, 0)):
        more = has_more if is_back == backwards else cursor is not None
        links[label] = _address(request, Cursor(is_back, found[edge][len(columns) :])) if found and more else None
    return found, links


def page(
    queryset: QuerySet[Any], request: Request, row: Expression, *, allowed: tuple[str, ...], default: str
) -> JSONText:
    """`{next, previous, results}` (and `count` when asked for) of rows that PostgreSQL renders."""
    found, links = cut(queryset, request, row, allowed=allowed, default=default)
    members = [f'"{label}":{orjson.dumps(link).decode()}' for label, link in links.items()]
    if request.query_params.get("count") is not None:
        if request.query_params["count"] not in ("true", "false"):
            raise _bad("count", "count is true or false.")
        if request.query_params["count"] == "true":
            members.append(f'"count":{queryset.count()}')
    return JSONText(f"{{{','.join(members)},\"results\":[{','.join(line for line, *_ in found)}]}}")
