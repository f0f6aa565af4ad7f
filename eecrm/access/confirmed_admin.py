"""Pages of the admin site that show what an action would do, and do that or nothing."""

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin.actions import delete_selected as delete_without_comparing
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse

from access.confirmation import Confirmation, Line, is_confirming

Action = Callable[[Any, HttpRequest, QuerySet[Any]], Any]


class ConfirmsDeletions(admin.ModelAdmin):
    """Deletes what its pages showed: a row that was changed since is shown again first."""

    delete_confirmation_template = "admin/access/delete_confirmation.html"
    delete_selected_confirmation_template = "admin/access/delete_selected.html"

    def state_of(self, row: Model) -> str:
        """Another text once anything that people write of the row has changed, and for another row: after a copy of the data
        was put back, its key and version are given out again."""
        unseen = {*row.get_deferred_fields(), *self.readonly_fields}
        shown = [(name, getattr(row, name)) for name in _columns(row) if name not in unseen]
        return repr((getattr(row, "version", None), shown))

    def lines_of_deletion(self, rows: Iterable[Model]) -> list[Line]:
        return [Line(f"{row._meta.verbose_name} {row.pk}", str(row), self.state_of(row)) for row in rows]

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        row = self.get_object(request, unquote(object_id))
        if row is None or not self.has_delete_permission(request, row):
            return super().delete_view(request, object_id, extra_context)
        lines = self.lines_of_deletion(present(self, request, [row]))
        confirmation = Confirmation(request, f"delete {self.opts.label} {row.pk}", lines)
        asked = request if confirmation.is_given else _not_sent(request)
        return super().delete_view(asked, object_id, {"confirmation": confirmation, **(extra_context or {})})


@admin.action(permissions=["delete"], description="Delete selected %(verbose_name_plural)s")
def delete_selected(page: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
    """Django's action, which would delete whatever the chosen rows have become."""
    lines = page.lines_of_deletion(present(page, request, list(queryset)))
    confirmation = Confirmation(request, f"delete selected {page.opts.label}", lines)
    response: Any = delete_without_comparing(page, request if confirmation.is_given else _not_sent(request), queryset)
    if response is not None:
        response.context_data["confirmation"] = confirmation
    return response


def confirmed(
    lines_of: Callable[[Any, HttpRequest, list[Any]], Iterable[Line]], *, description: str, permissions: Sequence[str]
) -> Callable[[Action], Action]:
    """An action of a list, after a page that shows what it would do with each row."""

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
    """These rows as they are; locked where the request confirms what a page showed of them."""
    if not is_confirming(request):
        return rows
    chosen = page.model._default_manager.filter(pk__in=[row.pk for row in rows]).order_by("pk")
    return list(chosen.select_for_update(no_key=True).prefetch_related(*page.prefetched))


def _columns(row: Model) -> list[str]:
    """What the database computes of a row that has a version is left out: of its parents, it says nothing of the row."""
    fields = row._meta.concrete_fields
    return [field.attname for field in fields if field.editable or not hasattr(row, "version")]


def _not_sent(request: HttpRequest) -> HttpRequest:
    """The request for the page on which Django's own view would be confirmed."""
    asked = copy(request)
    asked.method, asked.POST = "GET", QueryDict()
    return asked
