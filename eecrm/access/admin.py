"""Admin site at a hidden URL. It enforces the same policy table (permissions of each role) as the API."""

import logging
from collections.abc import Sequence
from itertools import islice
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core.exceptions import SuspiciousOperation, ValidationError
from django.db import DatabaseError, transaction
from django.db.models import DateTimeField, Model, ProtectedError, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import SimpleTemplateResponse
from django.utils.dateparse import parse_datetime
from django.utils.text import smart_split

from access.confirmed_admin import ConfirmsDeletions, delete_selected
from access.database import enter, leave
from access.masks import personal
from access.policy import Scope
from access.querysets import permits, resource_of
from access.refusals import refusal_to_show
from access.request_rules import rule_for
from access.search_bounds import MAX_SEARCH_CHARS, MAX_SEARCH_WORDS
from access.security_log import place_of_error

log = logging.getLogger("eecrm.admin")


class EpicEventsAdminSite(admin.AdminSite):
    site_header = "Epic Events CRM"
    site_title = "Epic Events CRM"
    index_title = "Accounts, clients, contracts and events"
    site_url = None

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.add_action(delete_selected)

    def get_urls(self) -> list[Any]:
        """Returns Django's admin URLs without `view_on_site`, because no object has a page outside the admin site."""
        return [page for page in super().get_urls() if getattr(page, "name", "") != "view_on_site"]

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Wraps a view, so that its queries run as the PostgreSQL role of the logged-in user (like SET LOCAL ROLE)."""
        guarded = super().admin_view(view, cacheable)

        def entered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            request.actor_id = request.user.pk  # type: ignore[attr-defined]  # RequestMiddleware logs actor_id
            if self.has_permission(request):
                enter(request.user.effective_role, user_id=request.user.pk)  # type: ignore[union-attr]  # not anonymous
            elif request.method == "POST":
                # Pages before the login also write, for example a second factor. The audit trail names `user_id` as the actor.
                leave(user_id=request.user.pk)
            try:
                response = guarded(request, *args, **kwargs)
                # An admin list runs its queries only when its page is rendered. Rendering the page here catches their errors.
                return response.render() if isinstance(response, SimpleTemplateResponse) else response
            except (DatabaseError, ProtectedError) as error:
                return _refused_message(request, error)
            except (ValueError, TypeError, AttributeError, ArithmeticError, ValidationError) as error:
                # Django's admin doesn't check values of query strings and chosen primary keys, so a wrong value is an error.
                # Error messages may quote a user's query string, so only the place of the error is logged.
                log.warning("a request to the admin site makes no sense", extra={"error": place_of_error(error)})
                raise SuspiciousOperation("This request makes no sense.") from None

        return entered

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Adds the zone of the times for `admin/base_site.html`. The honeypot's site lacks it, as a stock site does."""
        return super().each_context(request) | {"local_zone": settings.STAFF_TIME_ZONE}

    def get_log_entries(self, request: HttpRequest) -> QuerySet[LogEntry]:
        return log_entries(super().get_log_entries(request))


def log_entries(rows: QuerySet[LogEntry]) -> QuerySet[LogEntry]:
    """Leaves the secret fields of accounts (password hashes) out of the query that joins log entries with accounts.

    Without this, PostgreSQL would refuse the query, because no role of the admin site may read these fields.
    """
    return rows.defer(*(f"user__{name}" for name in get_user_model().secret_fields))


def _refused_message(request: HttpRequest, error: Exception) -> HttpResponse:
    """Answers a POST that the database refused: redirects to the same page, which then says why.

    Rolls back the request's transaction, so that nothing is saved. Raises the error again if the request isn't a POST,
    or if an outage or a bug caused the error.
    """
    if request.method != "POST":
        raise error
    refusal = refusal_to_show(error)
    transaction.set_rollback(True)
    messages.error(request, refusal.sentence)
    return HttpResponseRedirect(request.get_full_path())


def first_words(text: str) -> str:
    """Returns the first MAX_SEARCH_WORDS words. Raises SuspiciousOperation if the search text is too long."""
    if len(text) > MAX_SEARCH_CHARS:
        raise SuspiciousOperation(f"Search for {MAX_SEARCH_CHARS} characters at most.")
    return " ".join(islice(smart_split(text), MAX_SEARCH_WORDS))


class OfferedFilters:
    """Mixin for model admins. It allows only filters that the list offers, and limits the number of words in a search.

    Without the check of filters, a query string could filter by any column, and so reveal personal data that the role
    may not see. Without the limit, a search for thousands of words would keep PostgreSQL busy until its timeout.
    """

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        listed = self.get_list_filter(request)  # type: ignore[attr-defined]  # defined by ModelAdmin
        filters = (item[0] if isinstance(item, tuple) else item for item in listed)
        offered = {getattr(item, "parameter_name", item) for item in filters}
        offered.add(self.date_hierarchy)  # type: ignore[attr-defined]  # defined by ModelAdmin
        is_offered = any(name and (lookup == name or lookup.startswith(f"{name}__")) for name in offered)
        if not is_offered or self._compares_with_naive_time(lookup, value):
            return False
        allowed: bool = super().lookup_allowed(lookup, value, request)  # type: ignore[misc]  # from ModelAdmin
        return allowed

    def _compares_with_naive_time(self, lookup: str, value: Any) -> bool:
        """Does the lookup compare a moment with a text without an offset? Django would read such a text as UTC."""
        name, _, kind = lookup.partition("__")
        fields = self.opts.concrete_fields  # type: ignore[attr-defined]  # defined by ModelAdmin
        moments = {field.name for field in fields if isinstance(field, DateTimeField)}
        if name not in moments or kind not in ("", "exact", "gt", "gte", "lt", "lte"):
            return False
        moment = parse_datetime(str(value))
        return moment is None or moment.tzinfo is None

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        words = first_words(search_term)
        return super().get_search_results(request, queryset, words)  # type: ignore[misc]  # from ModelAdmin


class PolicyModelAdmin(OfferedFilters, ConfirmsDeletions):
    """Model admin that reads its permissions from the policy table.

    It hides the model's `personal_fields` from roles that may not see personal data.
    """

    resource: str = ""
    # Relations that the list loads in separate queries (`prefetch_related`).
    # A join would select every column of an account, although the role may not read all of them.
    prefetched: tuple[Any, ...] = ()
    list_select_related = ()

    def _scope(self, request: HttpRequest, action: str) -> Scope:
        return rule_for(request, self.resource, action).scope

    def _allows(self, request: HttpRequest, action: str, row: Model | None) -> bool:
        if row is None:
            return self._scope(request, action) is not Scope.NONE
        return permits(rule_for(request, resource_of(type(row)), action), row)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._scope(request, "list") is not Scope.NONE

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._allows(request, "retrieve", obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._allows(request, "create", None)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._allows(request, "update", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._allows(request, "delete", obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: Any = super().get_queryset(request)
        return rows.permitted_by(rule_for(request, rows.resource, "retrieve")).prefetch_related(*self.prefetched)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Saves only the changed columns, because no role may write primary keys, versions and timestamps."""
        names = {field.name for field in obj._meta.concrete_fields}
        obj.save(update_fields=[name for name in form.changed_data if name in names] if change else None)

    def get_paginator(self, request: HttpRequest, queryset: Any, *args: Any, **kwargs: Any) -> Any:
        """Leaves the secret fields of accounts (password hashes) out of the history page's query.

        The query joins log entries with accounts, and no role of the admin site may read these fields.
        """
        rows = log_entries(queryset) if queryset.model is LogEntry else queryset
        return super().get_paginator(request, rows, *args, **kwargs)

    def _without_personal(self, request: HttpRequest, names: Sequence[Any]) -> list[Any]:
        """Returns `names` without the fields that hold personal data, if the user's role may not see personal data."""
        is_shown = rule_for(request, "personal_data", "retrieve").scope is not Scope.NONE
        hidden = () if is_shown else personal(self.model)
        return [name for name in names if name not in hidden]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return self._without_personal(request, super().get_list_display(request))

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return self._without_personal(request, super().get_list_filter(request))

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        return self._without_personal(request, super().get_search_fields(request))

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Leaves read-only fields out of the page for a new row, because the new row has no values for them."""
        hidden = set(self.get_readonly_fields(request)) if obj is None else set()
        shown = [
            (
                title,
                options
                | {
                    "fields": [
                        name for name in self._without_personal(request, options["fields"]) if name not in hidden
                    ]
                },
            )
            for title, options in super().get_fieldsets(request, obj)
        ]
        return [(title, options) for title, options in shown if options["fields"]]
