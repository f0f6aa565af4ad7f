"""Filters of the API's lists. An undeclared query parameter is refused, because it would have no effect."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import django_filters
from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import CharField, F, Func, Q, QuerySet, Value
from django.db.models.functions import Concat, Lower
from django.db.models.lookups import Exact
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request

from access.search_bounds import MAX_SEARCH_CHARS, MAX_SEARCH_WORDS
from api.email_addresses import normalise_address
from api.requests.bounds import unknown
from api.requests.problems import BadQuery, bad_parameters
from api.resources.pagination import PARAMETERS
from api.resources.planner_hints import hint_selective
from api.resources.search import count_words, search_condition
from api.spelling import trim
from api.times import DayParameterField, MomentParameterField

_NUMBER = re.compile(r"-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?")
# A search takes as many digits in a row for a telephone number (api/sql/search_query.sql).
MIN_PHONE_DIGITS, MAX_PHONE_DIGITS = 6, 20
_PHONE = re.compile(r"[\s+()./\u2010-\u2015\d-]+")
PHONE_EXAMPLE = "Write a telephone number as in 0199001234 or, in a URL, %2B33199001234: six digits or more."


class _KeyField(forms.RegexField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(regex=r"^[1-9][0-9]{0,17}$", **kwargs)
        self.error_messages["invalid"] = _("A key is one whole number above zero, such as 7.")


class KeyFilter(django_filters.CharFilter):
    """Filters a list by the id of a related row. An unknown id matches no row. A text that isn't an id gets a 400."""

    field_class = _KeyField


class _FlagField(forms.ChoiceField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[("true", "true"), ("false", "false")], **kwargs)
        self.error_messages["invalid_choice"] = _("This is true or false.")


class FlagFilter(django_filters.Filter):
    """Filters a list by a condition: `true` keeps the rows that meet the condition, `false` keeps the others."""

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
    """Filter for rows whose contact (the responsible colleague) is the caller."""

    def condition(self, queryset: Any) -> Q:
        is_contact: Q = queryset.holding(self.parent.request.user)
        return is_contact


class TextFilter(django_filters.CharFilter):
    """Base class of filters by a whole text."""

    field_class = forms.CharField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=300, **kwargs)


class NameFilter(TextFilter):
    """Filters a list by a whole name, ignoring case, accents and punctuation. `field_name` has the name's order key."""

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        letters = Func(Value(value), function="order_letters", output_field=CharField())
        # In an order key U+0001 separates the letters of the name from its accents.
        bounds = {f"{self.field_name}__gte": letters, f"{self.field_name}__lt": Concat(letters, Value("\x02"))}
        return queryset.filter(**bounds) if value else queryset


class EmailFilter(TextFilter):
    """Filters a list by the whole email address, which is normalised before the comparison.

    SQL compares lower(column), because the index is on lower(column).
    """

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        address = normalise_address(value)
        return queryset.filter(Exact(Lower(F(self.field_name)), Lower(Value(address)))) if address else queryset


class _PhoneField(forms.CharField):
    """Form field for a telephone number in any spelling. Its value is the digits."""

    def clean(self, value: Any) -> str:
        text = super().clean(value)
        # In +33 (0)1 the zero in brackets isn't dialled.
        digits = "".join(str(int(sign)) for sign in text.replace("(0)", "") if sign.isdecimal())
        is_number = _PHONE.fullmatch(text) and MIN_PHONE_DIGITS <= len(digits) <= MAX_PHONE_DIGITS
        if text and not is_number:
            raise forms.ValidationError(PHONE_EXAMPLE)
        return digits


class PhoneFilter(TextFilter):
    """Filters a list by a telephone number in any spelling, in its national or its international form."""

    field_class = _PhoneField

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        return hint_selective(queryset, search_condition("phone_query", value), is_rare=True) if value else queryset


class MomentFilter(django_filters.Filter):
    """Filters a list by a moment (RFC 3339, with an offset)."""

    field_class = MomentParameterField


class DayFilter(django_filters.Filter):
    """Filters a list by a day (`YYYY-MM-DD`)."""

    field_class = DayParameterField


class _ChoicesField(forms.Field):
    def __init__(self, *, choices: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.values = [str(value) for value, _label in choices.choices]

    def to_python(self, value: str | None) -> list[str]:
        chosen = value.split(",") if value else []
        if not set(chosen) <= set(self.values):
            raise forms.ValidationError(f"Name one or more of {', '.join(self.values)}, separated by commas.")
        return chosen


class ChoicesFilter(django_filters.Filter):
    """Filters a list by one or more values of a column, separated by commas.

    PostgreSQL evaluates `=`, `<=` and `>=` in the index of a list, but reads the rows themselves for `IN (…)`.
    So values that are neighbours in the order of their texts are written as a range. This order is the same in every
    collation, because the values are lowercase words. If other values lie between, the filter excludes the others.
    The index may have this condition as a column.
    """

    field_class = _ChoicesField

    def filter(self, queryset: QuerySet[Any], value: list[str]) -> QuerySet[Any]:
        chosen, known = sorted(set(value)), sorted(self.extra["choices"].values)
        others = [choice for choice in known if choice not in chosen]
        if not others:
            return queryset
        if len(chosen) == 1:
            return queryset.filter(**{self.field_name: chosen[0]})
        if not any(chosen[0] < other < chosen[-1] for other in others):
            return queryset.filter(**{f"{self.field_name}__gte": chosen[0], f"{self.field_name}__lte": chosen[-1]})
        return queryset.exclude(**{f"{self.field_name}__in": others})


class ResourceFilterSet(django_filters.FilterSet):
    """Filters that every list of a resource has. Ranges of times include both of their ends."""

    created_after = MomentFilter("created_at", "gte")
    created_before = MomentFilter("created_at", "lte")
    updated_after = MomentFilter("updated_at", "gte")
    updated_before = MomentFilter("updated_at", "lte")

    # Maps a filter to its description and example in the OpenAPI document.
    field_docs: ClassVar[dict[str, tuple[str, Any]]] = {
        "created_after": ("Made at this time or later.", "2027-01-01T00:00:00Z"),
        "created_before": ("Made at this time or earlier.", "2027-12-31T23:59:59Z"),
        "updated_after": ("Changed at this time or later.", "2027-03-01T00:00:00Z"),
        "updated_before": ("Last changed at this time or earlier.", "2027-03-31T23:59:59Z"),
    }

    # These filters use personal data. Roles that see masked data may not use them.
    # Otherwise a user of such a role could find a hidden value by trying values.
    personal: tuple[str, ...] = ()


class _MineFilterSet(django_filters.FilterSet):
    mine = MineFilter()


class ContactFilterSet(_MineFilterSet, ResourceFilterSet):
    """Filters for lists of rows that have a contact (the responsible colleague)."""

    field_docs = ResourceFilterSet.field_docs | {
        "mine": ("Those whose contact the caller is (or stands in for), or the others.", True)
    }


def refuse_unknown(request: Request, known: tuple[str, ...]) -> None:
    """Raises BadQuery for query parameters that aren't in `known`, are repeated, or have no visible value.

    Only `search` may be empty. An empty search matches all rows.
    """
    unknown_names = [name for name in request.query_params if name not in known]
    if unknown_names:
        hint = f" Known: {', '.join(sorted(known))}."
        raise BadQuery(unknown(unknown_names, noun="parameter", hint=hint, code="invalid"))
    errors: dict[str, list[str]] = {}
    for name, values in request.query_params.lists():
        if len(values) > 1:
            errors[name] = ["This parameter is given more than once: send it once."]
        elif not trim(values[0]) and name != "search":
            errors[name] = ["This parameter has no value: leave it out."]
    if errors:
        raise BadQuery(errors)


@lru_cache(maxsize=500)
def _filterset_of(
    filterset_class: type[django_filters.FilterSet], names: frozenset[str]
) -> type[django_filters.FilterSet]:
    """Returns a filterset class that has only the filters in `names`.

    The full class would copy all its filters and build a form for each request. That takes a millisecond.
    """
    subclass: Any = type(filterset_class.__name__, (filterset_class,), {})
    subclass.base_filters = {name: filter_ for name, filter_ in filterset_class.base_filters.items() if name in names}
    return subclass


def narrowed(queryset: Any, request: Request, filterset_class: Any) -> Any:
    """Returns the rows of `queryset` that match the filters of the query string. Raises BadQuery for invalid values."""
    names = frozenset(filterset_class.base_filters).intersection(request.query_params)
    filterset = _filterset_of(filterset_class, names)(request.query_params, queryset=queryset, request=request)
    if not filterset.is_valid():
        raise bad_parameters(request, {name: list(map(str, texts)) for name, texts in filterset.errors.items()})
    return filterset.qs


@dataclass(frozen=True)
class Narrowing:
    """Filters and search text of one list request.

    If `is_masked` is true, the search ignores words of personal data.
    """

    request: Request
    filterset_class: type[ResourceFilterSet] | None  # None if the request has no filters
    text: str
    is_masked: bool

    @classmethod
    def of(
        cls, request: Request, filterset_class: type[ResourceFilterSet] | None, *, masked: bool, is_searchable: bool
    ) -> "Narrowing | None":
        """Reads filters and search text from the query string. Returns None if the query string has neither.

        With `masked`, filters on personal data count as undeclared. `is_searchable` allows the parameter `search`.
        Raises BadQuery for undeclared parameters, and for a search text that has too many characters or words.
        """
        declared = filterset_class.base_filters if filterset_class else {}
        hidden = filterset_class.personal if filterset_class and masked else ()
        filters = tuple(name for name in declared if name not in hidden)
        refuse_unknown(request, (*filters, *PARAMETERS, *(("search",) if is_searchable else ())))
        text = request.query_params.get("search", "")
        if len(text) > MAX_SEARCH_CHARS:
            raise BadQuery({"search": [f"Search for {MAX_SEARCH_CHARS} characters at most."]})
        if (words := count_words(text)) > MAX_SEARCH_WORDS:
            raise BadQuery({"search": [f"Search for {MAX_SEARCH_WORDS} words at most: these are {words}."]})
        is_filtered = any(name in request.query_params for name in filters)
        if not is_filtered and not text.strip():
            return None
        return cls(request, filterset_class if is_filtered else None, text, masked)

    def of_rows(self, rows: Any) -> Any:
        """Applies the filters and the search to a queryset. Raises BadQuery for invalid values."""
        if self.filterset_class:
            rows = narrowed(rows, self.request, self.filterset_class)
        return rows.matching(self.text, is_masked=self.is_masked) if self.text.strip() else rows


class _DecimalField(forms.DecimalField):
    def to_python(self, value: Any) -> Any:
        if value not in self.empty_values and not _NUMBER.fullmatch(value):  # Decimal() also reads 1_000 and ١٢
            raise forms.ValidationError("This is no number: write one as 1250.50.")
        return super().to_python(value)


class DecimalFilter(django_filters.NumberFilter):
    """Filters a list by a decimal number between `-largest` and `largest`.

    Row security keeps PostgreSQL from using its statistics of decimal columns, so the filter gives the planner a hint.
    """

    field_class = _DecimalField

    def __init__(self, *, largest: Any, **kwargs: Any) -> None:
        super().__init__(validators=[MinValueValidator(-largest), MaxValueValidator(largest)], **kwargs)

    def filter(self, queryset: QuerySet[Any], value: Any) -> QuerySet[Any]:
        return (
            queryset
            if value is None
            else hint_selective(queryset, Q((f"{self.field_name}__{self.lookup_expr}", value)))
        )
