"""Admin pages that first show the effects of an action. When the user confirms, exactly these happen, or nothing (ADR 24)."""

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from functools import wraps
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.actions import delete_selected as delete_without_comparing
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.db import DatabaseError
from django.db.models import Model, ProtectedError, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse

from access.confirmation import Confirmation, Line, is_confirming
from access.refusals import refusal_to_show

Action = Callable[[Any, HttpRequest, QuerySet[Any]], Any]


class ConfirmsDeletions(admin.ModelAdmin):
    """Model admin that deletes a row only if the row hasn't changed since the confirmation page showed it.

    If the row has changed, the page asks for confirmation again.
    """

    delete_confirmation_template = "admin/access/delete_confirmation.html"
    delete_selected_confirmation_template = "admin/access/delete_selected.html"

    def state_of(self, row: Model) -> str:
        """Returns a text that changes whenever the row's version or one of its editable values changes.

        The version alone doesn't suffice. After PostgreSQL's data was restored from an older copy, another row may get
        the same primary key and version.
        """
        skipped = {*row.get_deferred_fields(), *self.readonly_fields}
        shown = [(name, getattr(row, name)) for name in _compared_columns(row) if name not in skipped]
        return repr((getattr(row, "version", None), shown))

    def lines_of_deletion(self, rows: Iterable[Model]) -> list[Line]:
        return [Line(f"{row._meta.verbose_name} {row.pk}", str(row), self.state_of(row)) for row in rows]

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        row = self.get_object(request, unquote(object_id))
        if row is None or not self.has_delete_permission(request, row):
            return super().delete_view(request, object_id, extra_context)
        lines = self.lines_of_deletion(present(self, request, [row]))
        confirmation = Confirmation(request, f"delete {self.opts.label} {row.pk}", lines)
        form = self.deletion_form(request)
        context = {"confirmation": confirmation, "deletion_form": form, **(extra_context or {})}
        if confirmation.is_given and form.is_valid():
            return self.delete_confirmed(request, object_id, form, context)
        return super().delete_view(as_get(request), object_id, context)

    def deletion_form(self, request: HttpRequest) -> forms.Form:
        """Returns the form for further input on the confirmation page. This form has no fields; subclasses add some.

        If the deletion is refused, the page shows this form again with the user's input.
        """
        return forms.Form(request.POST if request.method == "POST" else None)

    def delete_confirmed(self, request: HttpRequest, object_id: str, form: Any, context: dict[str, Any]) -> Any:
        """Deletes the row. If the database refuses, shows the page again.

        The page then says why, and keeps the user's input. Before the page is shown again, Django rolls the deletion
        back to a savepoint.
        """
        try:
            return super().delete_view(request, object_id, context)
        except (DatabaseError, ProtectedError) as error:
            form.add_error(None, refusal_to_show(error).sentence)
        return super().delete_view(as_get(request), object_id, context)


@admin.action(permissions=["delete"], description="Delete selected %(verbose_name_plural)s")
def delete_selected(page: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
    """Deletes the selected rows, but only if no row has changed since the confirmation page showed it.

    Django's own action "delete selected" would also delete rows that have changed since then.
    """
    lines = page.lines_of_deletion(present(page, request, list(queryset)))
    confirmation = Confirmation(request, f"delete selected {page.opts.label}", lines)
    response: Any = delete_without_comparing(page, request if confirmation.is_given else as_get(request), queryset)
    if response is not None:
        response.context_data["confirmation"] = confirmation
    return response


def confirmed_action(
    lines_of: Callable[[Any, HttpRequest, list[Any]], Iterable[Line]], *, description: str, permissions: Sequence[str]
) -> Callable[[Action], Action]:
    """Decorator for an action of an admin list. A page shows the effect on each row before the action runs."""

    def decorate(act: Action) -> Action:
        @admin.action(description=description, permissions=permissions)
        @wraps(act)
        def shown_first(page: Any, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
            rows = present(page, request, list(queryset))
            confirmation = Confirmation(request, f"{act.__name__} {page.opts.label}", lines_of(page, request, rows))
            if confirmation.is_given:
                return act(page, request, queryset)
            context = {
                **page.admin_site.each_context(request),
                "opts": page.opts,
                "title": description,
                "rows": rows,
                "action": act.__name__,
                "action_checkbox_name": ACTION_CHECKBOX_NAME,
                "confirmation": confirmation,
            }
            return TemplateResponse(request, "admin/access/confirm_action.html", context)

        return shown_first

    return decorate


def present(page: Any, request: HttpRequest, rows: list[Any]) -> list[Any]:
    """Returns the rows of a page. If the request confirms the page, the rows are locked and read again first."""
    if not is_confirming(request):
        return rows
    chosen = page.model._default_manager.filter(pk__in=[row.pk for row in rows]).order_by("pk")
    return list(chosen.select_for_update(no_key=True).prefetch_related(*page.prefetched))


def _compared_columns(row: Model) -> list[str]:
    """Returns the names of the columns that are compared to detect a change of the row.

    If the row has no version, these are all its columns. If the row has a version, these are its editable columns: the
    database copies the other columns from parent rows, so they may change although nobody edited the row.
    """
    fields = row._meta.concrete_fields
    return [field.attname for field in fields if field.editable or not hasattr(row, "version")]


def as_get(request: HttpRequest) -> HttpRequest:
    """Returns a copy of the request with the method GET.

    For a GET, Django's view shows its confirmation page and deletes nothing.
    """
    get_request = copy(request)
    get_request.method, get_request.POST = "GET", QueryDict()
    return get_request
