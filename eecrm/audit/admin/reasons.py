"""Why something is changed: a field on the pages of the admin site on which things are added, changed and deleted."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from access import reasons
from access.admin import PolicyModelAdmin
from access.database import give_reason
from access.refusals import REASON_REQUIRED, refusal_of


def _is_fit(text: str) -> None:
    if not reasons.is_fit(text):
        raise ValidationError(reasons.UNFIT)


class ReasonField(forms.CharField):
    """Belongs to the change, not to the row: it is never among the fields that changed."""

    def __init__(self, **options: Any) -> None:
        widget = forms.TextInput(attrs={"class": "vTextField", "maxlength": reasons.MAX_REASON_CHARS})
        super().__init__(label="Reason", validators=[_is_fit], widget=widget, **options)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class DeletionForm(forms.Form):
    change_reason = ReasonField(required=False, help_text="Why, in a line. The trail keeps it.")


class ReasonForm(forms.ModelForm):
    change_reason = ReasonField(required=False, help_text="Why you change it, in a line. The trail keeps it.")

    demanded = ""  # the sentence with which the database asked for a reason, the first time that this form was sent

    def clean_change_reason(self) -> Any:
        if self.demanded:
            raise ValidationError(self.demanded)
        return self.cleaned_data["change_reason"]


class ReasonAdmin(PolicyModelAdmin):
    form = ReasonForm

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Whoever only reads isn't asked why. Before the record, which is long and nobody writes."""
        is_asked = self.has_add_permission(request) if obj is None else self.has_change_permission(request, obj)
        shown = super().get_fieldsets(request, obj)
        place = next((place for place, (title, _) in enumerate(shown) if title == "Record"), len(shown))
        return [*shown[:place], ("Why", {"fields": ["change_reason"]}), *shown[place:]] if is_asked else shown

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"demanded": getattr(request, "reason_demanded", "")})

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """What the database does with a reason only comes back as the page that was sent, with the sentence on it.

        Django has rolled the write back to its own savepoint by then.
        """
        try:
            return super().changeform_view(request, *args, **kwargs)
        except DatabaseError as error:
            refusal = refusal_of(error)
            if refusal is None or refusal.code != REASON_REQUIRED:
                raise
            request.reason_demanded = refusal.sentence  # type: ignore[attr-defined]  # for the form
        return super().changeform_view(request, *args, **kwargs)

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """Before anything is written."""
        give_reason(form.cleaned_data["change_reason"])
        return super().save_form(request, form, change)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        form = DeletionForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and not form.is_valid():
            messages.error(request, reasons.UNFIT)
            return HttpResponseRedirect(request.get_full_path())
        if form.is_bound:
            give_reason(form.cleaned_data["change_reason"])
        context = {"reason_form": form, **(extra_context or {})}
        response: HttpResponse = super().delete_view(request, object_id, context)
        return response
