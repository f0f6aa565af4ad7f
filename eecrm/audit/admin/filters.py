"""Filters and search for the admin list of the trail. Each filter uses an index, because the trail may be very long."""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.core.exceptions import SuspiciousOperation
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property

from audit.admin.row_names import kind_of
from audit.models import CHANNELS
from audit.trail.personal import shown_tables

MAX_COUNTED_ENTRIES = 10_000  # a list counts at most this number of entries, and has no pages for older ones
MAX_SUGGESTIONS = 500


class BoundedPaginator(Paginator):
    """Counts at most MAX_COUNTED_ENTRIES, because counting millions is slow. Users find older entries with filters."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:MAX_COUNTED_ENTRIES].count())


class TypedFilter(admin.SimpleListFilter):
    """A filter with a text input instead of a list of links."""

    template = "admin/audit/entry/typed_filter.html"
    input_type = "text"
    help_text = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def has_output(self) -> bool:
        return True

    def suggestions(self) -> Any:
        return ()

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yields the template's data: the other filters' parameters to send again, and the URL without this filter."""
        others = [(name, value) for name, value in changelist.params.items() if name != self.parameter_name]
        yield {"others": others, "without": changelist.get_query_string(remove=[self.parameter_name])}


class PersonFilter(TypedFilter):
    title = "person"
    parameter_name = "person"
    help_text = "Username, or # and the number of an account."

    def suggestions(self) -> Any:
        accounts: Any = get_user_model()._default_manager.all()
        rows = accounts.visible_to(self.request.user, action="list").order_by("username")
        return rows.values_list("username", flat=True)[:MAX_SUGGESTIONS]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        text = (self.value() or "").strip()
        if not text:
            return queryset
        if re.fullmatch(r"#[0-9]{1,18}", text):
            return queryset.filter(actor_id=int(text[1:]))
        model = get_user_model()
        return queryset.filter(actor_id=model.objects.filter(username=model.normalize_username(text)).values("pk")[:1])


class _ChoiceFilter(admin.SimpleListFilter):
    column = ""

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() is None:
            return queryset
        if self.value() not in dict(self.lookup_choices):
            raise SuspiciousOperation(f"There is no such {self.title}.")
        return queryset.filter(**{self.column: self.value()})


class KindFilter(_ChoiceFilter):
    title = "kind of object"
    parameter_name = "kind"
    column = "table_name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return sorted(((table, kind_of(table)) for table in shown_tables()), key=lambda choice: choice[1].lower())


class ChannelFilter(_ChoiceFilter):
    title = parameter_name = column = "channel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(channel, channel) for channel in CHANNELS]


class RowKeyFilter(TypedFilter):
    title = "number of object"
    parameter_name = "object"

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        text = (self.value() or "").strip()
        return queryset.filter(table_name__in=shown_tables(), row_key=text) if text else queryset


class DayFilter(TypedFilter):
    title = parameter_name = "day"
    input_type = "date"

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Returns the entries of one local day. Raises SuspiciousOperation if the text is no date."""
        if not self.value():
            return queryset
        try:
            day = date.fromisoformat(self.value() or "")
            begin = datetime(day.year, day.month, day.day, tzinfo=timezone.get_current_timezone())
            return queryset.filter(at__gte=begin, at__lt=begin + timedelta(days=1))
        except (ValueError, OverflowError):
            raise SuspiciousOperation("A day is written as 2026-11-21.") from None


class RequestFilter(TypedFilter):
    title = "request"
    parameter_name = "request"
    help_text = "The id of a request, or the X-Request-ID of an answer."

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        text = (self.value() or "").strip()
        return queryset.filter(Q(request_id=text) | Q(caller_request_id=text)) if text else queryset


FILTERS: tuple[Any, ...] = (PersonFilter, KindFilter, RowKeyFilter, DayFilter, ChannelFilter, RequestFilter)


def matching(rows: Any, text: str) -> Any:
    """Returns entries with this request id or row key, or whose reason has words that begin with the words of `text`.

    It doesn't search the old and new values.
    """
    text, every = text.strip(), rows.model._default_manager.order_by()
    if not text:
        return rows
    branches = [every.filter(caller_request_id=text), every.filter(table_name__in=shown_tables(), row_key=text)]
    words = re.findall(r"[^\W_]+", text)[:8]
    if words:
        query = SearchQuery(" & ".join(f"{word}:*" for word in words), config="simple", search_type="raw")
        reasons = every.annotate(words=SearchVector("reason", config="simple"))
        branches.append(reasons.filter(~Q(reason=""), words=query))
    # A UNION lets PostgreSQL use an index for each part. With an OR, PostgreSQL would read the whole table.
    keys = every.filter(request_id=text).values("pk").union(*(branch.values("pk") for branch in branches))
    return rows.filter(pk__in=keys)
