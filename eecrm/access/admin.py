"""The hidden admin site, under the same policy table as the API."""

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

from access import policy
from access.confirmed_admin import ConfirmsDeletions, delete_selected
from access.database import enter, leave
from access.masks import personal
from access.policy import Scope
from access.querysets import is_within
from access.refusals import refusal_of
from access.security_log import place_of_error

log = logging.getLogger("eecrm.admin")

MOST_WORDS, LONGEST_SEARCH = 8, 200  # of a search: words that count, characters that are taken, as in the API


class EpicEventsAdminSite(admin.AdminSite):
    site_header = "Epic Events CRM"
    site_title = "Epic Events CRM"
    index_title = "Accounts, clients, contracts and events"
    site_url = None

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.add_action(delete_selected)

    def get_urls(self) -> list[Any]:
        """Without the way to an object's page elsewhere: no object has one, and many types are no role's to read."""
        return [page for page in super().get_urls() if getattr(page, "name", "") != "view_on_site"]

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Each page runs under its visitor's own database role, entered in the transaction of the request."""
        guarded = super().admin_view(view, cacheable)

        def entered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            request.actor_id = request.user.pk  # type: ignore[attr-defined]  # for the log line
            if self.has_permission(request):
                enter(request.user.effective_role, user_id=request.user.pk)  # type: ignore[union-attr]  # not anonymous
            elif request.method == "POST":
                leave(user_id=request.user.pk)  # who logs in, or sets up a second factor, is told of on the trail too
            try:
                with transaction.atomic():
                    response = guarded(request, *args, **kwargs)
                    # Lists run their queries while they render: what fails then must be caught here too.
                    return response.render() if isinstance(response, SimpleTemplateResponse) else response
            except (DatabaseError, ProtectedError) as error:
                return _refused(request, error)
            except (ValueError, TypeError, AttributeError, ArithmeticError, ValidationError) as error:
                # Django's admin hands query strings and chosen keys to the database as they come. The error's sentence quotes them.
                log.warning("a request to the admin site makes no sense", extra={"error": place_of_error(error)})
                raise SuspiciousOperation("This request makes no sense.") from None

        return entered

    def get_log_entries(self, request: HttpRequest) -> QuerySet[LogEntry]:
        return log_entries(super().get_log_entries(request))


def log_entries(rows: QuerySet[LogEntry]) -> QuerySet[LogEntry]:
    """Log entries whose joined account leaves out what no role of the admin site may read."""
    return rows.defer(*(f"user__{name}" for name in get_user_model().secret_fields))


def _refused(request: HttpRequest, error: Exception) -> HttpResponse:
    """A rule of the database (a state, a race) as its sentence on the page that was sent; nothing is changed."""
    refusal = refusal_of(error)
    if refusal is None or refusal.status >= 500 or request.method != "POST":
        raise error
    messages.error(request, refusal.sentence)
    return HttpResponseRedirect(request.get_full_path())


class OfferedFilters:
    """A list is filtered by what it offers and nothing else: Django would let any column be probed, masked or not. It is
    searched for so many words only: Django would ask for thousands of them, which keeps PostgreSQL busy until its timeout."""

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        listed = self.get_list_filter(request)  # type: ignore[attr-defined]  # a mixin
        names = (one[0] if isinstance(one, tuple) else one for one in listed)
        offered = {getattr(one, "parameter_name", one) for one in names} | {self.date_hierarchy}  # type: ignore[attr-defined]  # as above
        is_offered = any(name and (lookup == name or lookup.startswith(f"{name}__")) for name in offered)
        return is_offered and super().lookup_allowed(lookup, value, request)  # type: ignore[misc]  # as above

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """Raises SuspiciousOperation."""
        if len(search_term) > LONGEST_SEARCH:
            raise SuspiciousOperation(f"Search for {LONGEST_SEARCH} characters at most.")
        words = " ".join(islice(smart_split(search_term), MOST_WORDS))
        return super().get_search_results(request, queryset, words)  # type: ignore[misc]  # as above


class PolicyModelAdmin(OfferedFilters, ConfirmsDeletions):
    """Asks the policy table what may be seen, added, changed and deleted; shows personal data to whom it shows it."""

    resource: str = ""
    # A join would ask for every column of an account; what is prefetched leaves out what the role may not read.
    prefetched: tuple[str, ...] = ()
    list_select_related = ()

    def _scope(self, request: HttpRequest, action: str) -> Scope:
        return policy.rule(request.user, self.resource, action).scope

    def _allows(self, request: HttpRequest, action: str, row: Model | None) -> bool:
        if row is None:
            return self._scope(request, action) is not Scope.NONE
        return is_within(request.user, action, row)

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
        return rows.visible_to(request.user).prefetch_related(*self.prefetched)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """A change names its columns, as the privileges do: nobody may write keys, versions and times."""
        names = {field.name for field in obj._meta.concrete_fields}
        obj.save(update_fields=[name for name in form.changed_data if name in names] if change else None)

    def get_paginator(self, request: HttpRequest, queryset: Any, *args: Any, **kwargs: Any) -> Any:
        """The history page joins its entries with their accounts."""
        rows = log_entries(queryset) if queryset.model is LogEntry else queryset
        return super().get_paginator(request, rows, *args, **kwargs)

    def _without_personal(self, request: HttpRequest, names: Sequence[Any]) -> list[Any]:
        """What some roles see masked in the API is left out of their pages, lists and searches."""
        hidden = () if policy.sees_personal_data(request.user) else personal(self.model)
        return [name for name in names if name not in hidden]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return self._without_personal(request, super().get_list_display(request))

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return self._without_personal(request, super().get_list_filter(request))

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        return self._without_personal(request, super().get_search_fields(request))

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """A new row has no record yet: what is only ever read is left out of its page."""
        absent = set(self.get_readonly_fields(request)) if obj is None else set()
        shown = [
            (
                title,
                options
                | {
                    "fields": [
                        name for name in self._without_personal(request, options["fields"]) if name not in absent
                    ]
                },
            )
            for title, options in super().get_fieldsets(request, obj)
        ]
        return [(title, options) for title, options in shown if options["fields"]]
