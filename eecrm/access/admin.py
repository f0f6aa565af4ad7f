"""The hidden admin site, under the same policy table as the API."""

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.db import DatabaseError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from access import policy
from access.database import enter
from access.policy import Scope
from access.querysets import is_within
from access.refusals import refusal_of


class EpicEventsAdminSite(admin.AdminSite):
    site_header = "Epic Events CRM"
    site_title = "Epic Events CRM"
    index_title = "Accounts, clients, contracts and events"
    site_url = None

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        """Each page runs under its visitor's own database role, entered in the transaction of the request."""
        guarded = super().admin_view(view, cacheable)

        def entered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            request.actor_id = request.user.pk  # type: ignore[attr-defined]  for the log line
            if self.has_permission(request):
                enter(request.user.effective_role, user_id=request.user.pk)  # type: ignore[union-attr]
            return guarded(request, *args, **kwargs)

        return entered


class PolicyModelAdmin(admin.ModelAdmin):
    """Asks the policy table what may be seen, added, changed and deleted; shows personal data to whom it shows it."""

    resource: str = ""
    personal: tuple[str, ...] = ()  # fields that some roles see masked: left out of their pages, lists and searches
    # A join would ask for every column of an account; what is prefetched leaves out what the role may not read.
    prefetched: tuple[str, ...] = ()
    list_select_related = ()

    def _scope(self, request: HttpRequest, action: str) -> Scope:
        return policy.rule(request.user, self.resource, action).scope  # type: ignore[arg-type]

    def _allows(self, request: HttpRequest, action: str, row: Model | None) -> bool:
        if row is None:
            return self._scope(request, action) is not Scope.NONE
        return is_within(request.user, action, row)  # type: ignore[arg-type]

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

    def _without_personal(self, request: HttpRequest, names: Sequence[Any]) -> list[Any]:
        hidden = () if policy.sees_personal_data(request.user) else self.personal  # type: ignore[arg-type]
        return [name for name in names if name not in hidden]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return self._without_personal(request, super().get_list_display(request))

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        return self._without_personal(request, super().get_search_fields(request))

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        fieldsets = super().get_fieldsets(request, obj)
        return [
            (title, options | {"fields": self._without_personal(request, options["fields"])})
            for title, options in fieldsets
        ]

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._answering_refusals(request, super().changeform_view, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._answering_refusals(request, super().delete_view, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._answering_refusals(request, super().changelist_view, *args, **kwargs)

    def _answering_refusals(self, request: HttpRequest, view: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """A rule of the database (a state, a race) comes back as its sentence on the page, and nothing is changed."""
        from django.db import transaction

        try:
            with transaction.atomic():
                response = view(request, *args, **kwargs)
                # A list renders late: its query must not fail outside.
                return response.render() if hasattr(response, "render") and not response.is_rendered else response
        except DatabaseError as error:
            refusal = refusal_of(error)
            if refusal is None or refusal.status >= 500 or request.method != "POST":
                raise
            self.message_user(request, refusal.sentence, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
