"""Filters are declared; a parameter that nobody declared is refused, since it would silently filter nothing."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, ClassVar

import django_filters
from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Lower
from django.db.models.lookups import Exact
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request

from api.email_addresses import normalise_address
from api.requests.bounds import unknown
from api.requests.problems import BadQuery
from api.resources.pagination import PARAMETERS
from api.resources.planner_hints import hint_selective
from api.resources.search import MAX_SEARCH_CHARS

_RESERVED = (*PARAMETERS, "search")


class _KeyField(forms.RegexField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(regex=r"^[1-9][0-9]{0,17}$", **kwargs)
        self.error_messages["invalid"] = _("A key is a whole number above zero.")


class KeyFilter(django_filters.CharFilter):
    """The key of a related row: one that doesn't exist finds nothing, one that is no number is a 400."""

    field_class = _KeyField


class _FlagField(forms.ChoiceField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[("true", "true"), ("false", "false")], **kwargs)
        self.error_messages["invalid_choice"] = _("This is true or false.")


class FlagFilter(django_filters.Filter):
    """`true` keeps the rows that meet a condition, `false` the others."""

    field_class = _FlagField

    def __init__(self, condition: Q | None = None, **kwargs: Any) -> None:
        self._condition = condition or Q()
        super().__init__(**kwargs)

    def condition(self, queryset: Any) -> Q:
        return self._condition

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return queryset
        condition = self.condition(queryset)
        return queryset.filter(condition if value == "true" else ~condition)


class MineFilter(FlagFilter):
    """Those whose contact the caller is."""

    def condition(self, queryset: Any) -> Q:
        held: Q = queryset.holding(self.parent.request.user)
        return held


class TextFilter(django_filters.CharFilter):
    """The whole text, ignoring case: in lower case, as the indexes have it."""

    field_class = forms.CharField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=300, **kwargs)

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return queryset.filter(Exact(Lower(F(self.field_name)), Lower(Value(value)))) if value else queryset


class EmailFilter(TextFilter):
    """The whole email address, in any spelling of it."""

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return super().filter(queryset, normalise_address(value))


def moment(name: str, lookup: str) -> django_filters.IsoDateTimeFilter:
    return django_filters.IsoDateTimeFilter(field_name=name, lookup_expr=lookup)


class ResourceFilterSet(django_filters.FilterSet):
    """What every list knows. Both ends of a range belong to it."""

    mine = MineFilter()
    created_after = moment("created_at", "gte")
    created_before = moment("created_at", "lte")
    updated_after = moment("updated_at", "gte")

    # For the OpenAPI document: what each filter keeps, and an example.
    told: ClassVar[dict[str, tuple[str, Any]]] = {
        "mine": ("Those whose contact the caller is (or stands in for), or the others.", True),
        "created_after": ("Made at this time or later.", "2027-01-01T00:00:00Z"),
        "created_before": ("Made at this time or earlier.", "2027-12-31T23:59:59Z"),
        "updated_after": ("Changed at this time or later.", "2027-03-01T00:00:00Z"),
    }

    # Filters on what the policy shows some people masked only: they would tell it by trying.
    personal: tuple[str, ...] = ()


def refuse_unknown(request: Request, known: tuple[str, ...]) -> None:
    """Raises BadQuery for a parameter that nobody declared, for one that is given twice, and for one without a value: a search
    for nothing alone is one for everything."""
    strangers = [name for name in request.query_params if name not in known]
    if strangers:
        hint = f" Known: {', '.join(sorted(known))}."
        raise BadQuery(unknown(strangers, noun="parameter", hint=hint, code="invalid"))
    wrong: dict[str, list[str]] = {}
    for name, values in request.query_params.lists():
        if len(values) > 1:
            wrong[name] = ["This parameter is given more than once: send it once."]
        elif not values[0] and name != "search":
            wrong[name] = ["This parameter has no value: leave it out."]
    if wrong:
        raise BadQuery(wrong)


@lru_cache(maxsize=500)
def _only(filterset_class: type[django_filters.FilterSet], names: frozenset[str]) -> type[django_filters.FilterSet]:
    """These filters of a set: the whole of it would be copied for each request, and become a form, which takes a millisecond."""
    some: Any = type(filterset_class.__name__, (filterset_class,), {})
    some.base_filters = {name: one for name, one in filterset_class.base_filters.items() if name in names}
    return some


def narrowed(queryset: Any, request: Request, filterset_class: Any) -> Any:
    """The rows that pass the filters. Raises BadQuery for a value that a filter doesn't take."""
    asked = frozenset(filterset_class.base_filters).intersection(request.query_params)
    filterset = _only(filterset_class, asked)(request.query_params, queryset=queryset, request=request)
    if not filterset.is_valid():
        raise BadQuery({name: [str(text) for text in texts] for name, texts in filterset.errors.items()})
    return filterset.qs


def narrowing(
    request: Request, filterset_class: type[ResourceFilterSet] | None, *, masked: bool
) -> Callable[[Any], Any] | None:
    """What narrows a list to the rows that the query string asks for; None where it asks for all.

    Raises BadQuery for what nobody declared.
    """
    declared = filterset_class.base_filters if filterset_class else {}
    hidden = filterset_class.personal if filterset_class and masked else ()
    filters = tuple(name for name in declared if name not in hidden)
    refuse_unknown(request, (*filters, *_RESERVED))
    text = request.query_params.get("search", "")
    if len(text) > MAX_SEARCH_CHARS:
        raise BadQuery({"search": [f"Search for {MAX_SEARCH_CHARS} characters at most."]})
    is_filtered = any(name in request.query_params for name in filters)
    if not is_filtered and not text.strip():
        return None

    def narrow(rows: Any) -> Any:
        if filterset_class and is_filtered:
            rows = narrowed(rows, request, filterset_class)
        # Weight B of a search document is personal data.
        return rows.matching(text, weights="A" if masked else "") if text.strip() else rows

    return narrow


class DecimalFilter(django_filters.NumberFilter):
    """Row security keeps PostgreSQL from using its figures about decimal numbers."""

    def __init__(self, *, largest: Any, **kwargs: Any) -> None:
        super().__init__(validators=[MinValueValidator(-largest), MaxValueValidator(largest)], **kwargs)

    def filter(self, queryset: QuerySet[Any], value: Any) -> QuerySet[Any]:
        return (
            queryset
            if value is None
            else hint_selective(queryset, Q((f"{self.field_name}__{self.lookup_expr}", value)))
        )
