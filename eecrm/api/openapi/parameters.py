"""OpenAPI parameters of all operations, with types, bounds and examples."""

from typing import Any

import django_filters
from drf_spectacular.utils import OpenApiParameter

from access import reasons
from access.search_bounds import MAX_SEARCH_CHARS, MAX_SEARCH_WORDS
from api.openapi.fields import KEY
from api.resources import idempotency
from api.resources.filters import ChoicesFilter, DayFilter, FlagFilter, KeyFilter, MomentFilter, TextFilter
from api.resources.pagination import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE
from api.resources.search import SearchableQuerySet

IN_HEADER, IN_QUERY = OpenApiParameter.HEADER, OpenApiParameter.QUERY


def parameter(
    name: str, schema: Any, description: str, example: Any, *, location: str = IN_QUERY, required: bool = False
) -> dict[str, Any]:
    return {
        "name": name,
        "in": location,
        "description": description,
        **({"required": True} if required else {}),
        "schema": schema,
        "example": example,
    }


REQUEST_ID_PARAMETER = parameter(
    "X-Request-ID", {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    "A name for this request, that its log lines, the trail and a problem document tell. "
    "One is made where none is sent, or another than 1 to 64 letters, digits, dots, underscores and hyphens.",
    "phone-7f3a.42", location=IN_HEADER,
)  # fmt: skip
REASON = parameter(
    reasons.HEADER, {"type": "string"},
    f"Why: a line of text in UTF-8, for the trail, of at most {reasons.MAX_REASON_CHARS} characters. Programs "
    "that can't send UTF-8, such as browsers, use the form of RFC 8187: `\"UTF-8''\" + encodeURIComponent(reason)`. "
    "Whoever reopens a contract or an event must say.",
    "The client asked for it on the phone.", location=IN_HEADER,
)  # fmt: skip
KEY_OF_REPEATS = parameter(
    idempotency.KEY_HEADER, {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    "Makes it safe to repeat: one new key (such as a UUID) for each thing that you create. For "
    f"{idempotency.MAX_KEY_AGE_DAYS} days the same key, path and body get the first answer again, "
    "and nothing is created twice. A refused request may be sent again with its key.",
    "3f0b3c1e-7a55-4c5e-9d52-0c9c5a7f1f10", location=IN_HEADER,
)  # fmt: skip
PAGE_PARAMETERS = [
    parameter(
        "page_size", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": DEFAULT_PAGE_SIZE},
        "Rows of a page.", 20,
    ),
    parameter(
        "cursor", {"type": "string"}, "Where the page begins: from `next` or `previous`, never made by hand.",
        "W2ZhbHNlLDEyM10",
    ),
]  # fmt: skip
SEARCH = parameter(
    "search",
    {"type": "string", "maxLength": MAX_SEARCH_CHARS},
    f"{MAX_SEARCH_WORDS} words at most, each of which begins a word of the row. Case, accents and punctuation don't count."
    " A client is also found by a telephone number, unless the caller sees it masked.",
    "gala",
)
COUNT = parameter("count", {"type": "boolean", "default": False}, "Whether the answer counts all rows.", True)


def ordering(allowed: tuple[str, ...], default: str) -> dict[str, Any]:
    term = f"-?({'|'.join(allowed)})"
    max_chars = sum(len(f"-{name},") for name in allowed)
    known = ", ".join(f"`{name}`" for name in allowed)
    return parameter(
        "ordering", {"type": "string", "pattern": f"^{term}(,{term})*$", "maxLength": max_chars, "default": default},
        f"One or more of {known}, separated by commas; a minus sign turns one round.",
        f"-{allowed[-1]},id" if allowed[-1] != "id" else "-id",
    )  # fmt: skip


def of_list(view: Any) -> list[dict[str, Any]]:
    """Returns the query parameters of a list view. Only lists of resources have search and filters."""
    common = [*PAGE_PARAMETERS, ordering(view.ordering_fields, view.default_ordering), COUNT]
    if getattr(view, "filterset_class", None) is None:
        return common
    search = [SEARCH] if isinstance(view.queryset, SearchableQuerySet) else []
    return [*common, *search, *filters(view.filterset_class)]


def filters(filterset: Any) -> list[dict[str, Any]]:
    """Returns the OpenAPI parameters of a list's filters.

    The filterset's `field_docs` has descriptions and examples.
    """
    return [
        parameter(name, _filter_schema(filter_), *filterset.field_docs[name])
        for name, filter_ in filterset.base_filters.items()
    ]


def _filter_schema(filter_: Any) -> dict[str, Any]:
    match filter_:
        case KeyFilter():
            return KEY
        case FlagFilter():
            return {"type": "boolean"}
        case TextFilter():
            return {"type": "string", "maxLength": filter_.extra["max_length"]}
        case ChoicesFilter():
            choice = f"({'|'.join(filter_.extra['choices'].values)})"
            return {"type": "string", "pattern": f"^{choice}(,{choice})*$"}
        case MomentFilter():
            return {"type": "string", "format": "date-time"}
        case DayFilter():
            return {"type": "string", "format": "date"}
        case django_filters.NumberFilter():
            low, high = (float(validator.limit_value) for validator in filter_.extra["validators"])
            return {"type": "number", "minimum": low, "maximum": high}
    return {"type": "string", "maxLength": filter_.extra["max_length"]}
