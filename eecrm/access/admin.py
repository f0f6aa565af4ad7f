"""Admin site at a hidden address, under the same policy table as the API."""

import logging
from collections.abc import Sequence
from itertools import islice
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core.exceptions import SuspiciousOperation, ValidationError
from django.db import DatabaseError, transaction
from django.db.models import Model, ProtectedError, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import SimpleTemplateResponse
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
        """Django's URLs without `view_on_site`, because no object has a page outside the admin site."""
        return [page for page in super().get_urls() if getattr(page, "name", "") != "view_on_site"]

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Runs each page as the PostgreSQL role of its visitor (SET ROLE in the request's transaction)."""
        guarded = super().admin_view(view, cacheable)

        def entered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            request.actor_id = request.user.pk  # type: ignore[attr-defined]  # RequestMiddleware logs it
            if self.has_permission(request):
                enter(request.user.effective_role, user_id=request.user.pk)  # type: ignore[union-attr]  # not anonymous
            elif request.method == "POST":
                leave(user_id=request.user.pk)  # so that the trail names the user of a login or a new second factor
            try:
                response = guarded(request, *args, **kwargs)
                # Lists run their queries while they render. Errors of those queries must be caught here too.
                return response.render() if isinstance(response, SimpleTemplateResponse) else response
            except (DatabaseError, ProtectedError) as error:
                return _refused_message(request, error)
            except (ValueError, TypeError, AttributeError, ArithmeticError, ValidationError) as error:
                # Django's admin passes query strings and chosen keys to the database unchecked. The error's message
                # quotes them, so only the error's place is logged.
                log.warning("a request to the admin site makes no sense", extra={"error": place_of_error(error)})
                raise SuspiciousOperation("This request makes no sense.") from None

        return entered

    def get_log_entries(self, request: HttpRequest) -> QuerySet[LogEntry]:
        return log_entries(super().get_log_entries(request))


def log_entries(rows: QuerySet[LogEntry]) -> QuerySet[LogEntry]:
    """Defers secret fields of the accounts joined to log entries, because no role of the admin site may read them."""
    return rows.defer(*(f"user__{name}" for name in get_user_model().secret_fields))


def _refused_message(request: HttpRequest, error: Exception) -> HttpResponse:
    """Redirects to the same page with the sentence of a database refusal, such as that of a state rule.

    Rolls back the request's transaction, so that nothing is saved.
    Raises the error again if it isn't a refusal, if it is an outage, or if the request isn't a POST.
    """
    if request.method != "POST":
        raise error
    refusal = refusal_to_show(error)
    transaction.set_rollback(True)
    messages.error(request, refusal.sentence)
    return HttpResponseRedirect(request.get_full_path())


class OfferedFilters:
    """Mixin for model admins. It allows only the filters that the list offers, and limits the words of a search.

    Otherwise a query string could filter by any column, and so guess personal data that the role may not see. A search
    for thousands of words would keep PostgreSQL busy until its timeout.
    """

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        listed = self.get_list_filter(request)  # type: ignore[attr-defined]  # the model admin has it
        filters = (item[0] if isinstance(item, tuple) else item for item in listed)
        offered = {getattr(item, "parameter_name", item) for item in filters}
        offered.add(self.date_hierarchy)  # type: ignore[attr-defined]  # the model admin has it
        is_offered = any(name and (lookup == name or lookup.startswith(f"{name}__")) for name in offered)
        return is_offered and super().lookup_allowed(lookup, value, request)  # type: ignore[misc]  # the model admin has it

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """Searches for the first MAX_SEARCH_WORDS words. Raises SuspiciousOperation if the text is too long."""
        if len(search_term) > MAX_SEARCH_CHARS:
            raise SuspiciousOperation(f"Search for {MAX_SEARCH_CHARS} characters at most.")
        words = " ".join(islice(smart_split(search_term), MAX_SEARCH_WORDS))
        return super().get_search_results(request, queryset, words)  # type: ignore[misc]  # the model admin has it


class PolicyModelAdmin(OfferedFilters, ConfirmsDeletions):
    """Model admin with the permissions of the policy table.

    It hides the fields in `personal_fields` from roles that may not see personal data.
    """

    resource: str = ""
    # Lookups to prefetch. A join would select every column of an account, also those that the role may not read.
    prefetched: tuple[str, ...] = ()
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
        """Saves only the changed columns because no role may write keys, versions and times."""
        names = {field.name for field in obj._meta.concrete_fields}
        obj.save(update_fields=[name for name in form.changed_data if name in names] if change else None)

    def get_paginator(self, request: HttpRequest, queryset: Any, *args: Any, **kwargs: Any) -> Any:
        """Defers secret fields on the history page, whose query joins log entries with their accounts."""
        rows = log_entries(queryset) if queryset.model is LogEntry else queryset
        return super().get_paginator(request, rows, *args, **kwargs)

    def _without_personal(self, request: HttpRequest, names: Sequence[Any]) -> list[Any]:
        """Leaves out fields with personal data if the visitor's role may not see such data."""
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
        """Leaves read-only fields out of the page of a new row because they have no values yet."""
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
