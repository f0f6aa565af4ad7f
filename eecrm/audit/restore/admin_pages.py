"""Admin pages of a trail entry that restore a deleted row or undo one change."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from access import policy
from access.admin import PolicyModelAdmin
from access.confirmation import Confirmation, Line, is_confirming
from access.database import give_reason
from access.policy import Scope
from audit.admin.reasons import ReasonField
from audit.models import Entry
from audit.restore import restoration
from audit.restore.restoration import CannotRestore, FieldReversal


class PuttingBackForm(forms.Form):
    change_reason = ReasonField(help_text="Why, in a line. The trail keeps it.")


class RestoringAdmin(PolicyModelAdmin):
    """Adds the pages *Restore* and *Undo* to the admin pages of trail entries.

    The user's role needs the action *restore* on the resource that the entry is about.
    """

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        return [
            path("<id:key>/restore/", guarded(self.restore_page), name="audit_entry_restore"),
            path("<id:key>/undo/", guarded(self.undo_page), name="audit_entry_undo"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Adds `trail_action` to the template context: `restore`, `undo`, or None if the user may do neither."""
        entry = self.get_object(request, object_id)
        actions = {"delete": "restore", "update": "undo"} if entry and self._may_restore(request, entry) else {}
        context = {"trail_action": actions.get(getattr(entry, "operation", "")), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def restore_page(self, request: HttpRequest, key: int) -> HttpResponse:
        return self._page(request, key, "Restore", restoration.restoration, restoration.restore)

    def undo_page(self, request: HttpRequest, key: int) -> HttpResponse:
        return self._page(request, key, "Undo", restoration.reversal_and_the_rest, restoration.undo)

    def _may_restore(self, request: HttpRequest, entry: Entry) -> bool:
        try:
            noun = restoration.noun_of(entry)
        except CannotRestore:
            return False
        return policy.rule(request.user, noun, "restore").scope is not Scope.NONE

    def _page(
        self,
        request: HttpRequest,
        key: int,
        title: str,
        preview: Callable[..., list[FieldReversal]],
        put_back: Callable[[Entry], Model],
    ) -> HttpResponse:
        """Shows the values to restore, and asks for a reason. After confirmation, restores them and opens the row.

        Only a request that confirms locks the row.
        """
        entry = self.get_queryset(request).filter(pk=key).first()
        if entry is None:
            raise Http404
        if not self._may_restore(request, entry):
            raise PermissionDenied
        form = PuttingBackForm(request.POST if request.method == "POST" else None)
        steps: list[FieldReversal] = []
        confirmation = None
        try:
            steps = preview(entry, locks=is_confirming(request))
            lines = [_entry_line(entry), *map(_confirmation_line, steps)]
            confirmation = Confirmation(request, f"{title} {entry.pk}", lines)
            if form.is_valid() and confirmation.is_given:
                give_reason(form.cleaned_data["change_reason"])
                return self._done(request, put_back(entry), title)
        except CannotRestore as error:
            return self._render_page(request, entry, title, form, steps, confirmation, problem=str(error))
        return self._render_page(request, entry, title, form, steps, confirmation)

    def _done(self, request: HttpRequest, row: Model, title: str) -> HttpResponse:
        is_restored = title == "Restore"
        if is_restored:
            self.log_addition(request, row, "Restored from the trail.")
        else:
            self.log_change(request, row, "A change was undone from the trail.")
        noun = row._meta.verbose_name
        messages.success(
            request, f"The {noun} {row} is {'there again' if is_restored else 'as it was before that change'}."
        )
        return HttpResponseRedirect(
            reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
        )

    def _render_page(
        self,
        request: HttpRequest,
        entry: Entry,
        title: str,
        form: forms.Form,
        steps: list[FieldReversal],
        confirmation: Confirmation | None,
        problem: str = "",
    ) -> HttpResponse:
        """Renders the page. Without `steps` the page has no form, because nothing can be restored or undone."""
        is_undo = entry.operation == "update"
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{title}{' a change of' if is_undo else ''} {restoration.noun_of(entry)} {entry.row_key}",
            "entry": entry,
            "form": form,
            "steps": [step for step in steps if step.is_of_people],
            "is_undo": is_undo,
            "confirmation": confirmation,
            "problem": problem,
            "action": title,
        }
        return TemplateResponse(request, "admin/audit/entry/put_back.html", context)


def _entry_line(entry: Entry) -> Line:
    """Returns the line of the confirmation page with the row and the time of the trail entry.

    After PostgreSQL's data was restored from an older copy, another entry may have the same id. Its line differs, so
    that the confirmation is refused.
    """
    return Line(f"entry {entry.pk}", f"{restoration.noun_of(entry)} {entry.row_key}", entry.at.isoformat())


def _confirmation_line(step: FieldReversal) -> Line:
    """Returns the line for one field on the confirmation page.

    For fields that the database writes (times and versions), the line has only the value to restore. The current value
    of such a field may change at any time, and a change of the line would make the confirmation invalid.
    """
    outcome = f"{step.now_in_words} → {step.then_in_words}" if step.is_of_people else ""
    return Line(str(step.field.verbose_name), outcome, str(step.then))
