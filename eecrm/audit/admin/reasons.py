"""Adds the form field *Reason* to the admin pages that add, change or delete rows."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django.db.models import Model
from django.http import HttpRequest

from access import reasons
from access.admin import PolicyModelAdmin
from access.database import give_reason
from access.refusals import REASON_REQUIRED, refusal_of


def _validate_reason(text: str) -> None:
    if fault := reasons.fault_of(text):
        raise ValidationError(fault)


class ReasonField(forms.CharField):
    """Form field for the reason of a change. It never counts as changed, because it isn't a field of the row."""

    def __init__(self, **options: Any) -> None:
        widget = forms.TextInput(attrs={"class": "vTextField", "maxlength": reasons.MAX_REASON_CHARS})
        super().__init__(label="Reason", validators=[_validate_reason], widget=widget, **options)

    def to_python(self, value: Any) -> Any:
        return reasons.one_line(super().to_python(value) or "")

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class DeletionForm(forms.Form):
    change_reason = ReasonField(required=False, help_text="Why, in a line. The trail keeps it.")


class ReasonForm(forms.ModelForm):
    change_reason = ReasonField(required=False, help_text="Why you change it, in a line. The trail keeps it.")

    # PostgreSQL's sentence that asks for a reason; "" unless PostgreSQL refused the form because it had no reason.
    demanded = ""

    def clean_change_reason(self) -> Any:
        if self.demanded:
            raise ValidationError(self.demanded)
        return self.cleaned_data["change_reason"]


class ReasonAdmin(PolicyModelAdmin):
    form = ReasonForm

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Adds the field *Reason* for users who may write. It stands before *Record*, a long read-only section."""
        is_asked = self.has_add_permission(request) if obj is None else self.has_change_permission(request, obj)
        fieldsets = super().get_fieldsets(request, obj)
        index = next((index for index, (title, _) in enumerate(fieldsets) if title == "Record"), len(fieldsets))
        reason = ("Why", {"fields": ["change_reason"]})
        return [*fieldsets[:index], reason, *fieldsets[index:]] if is_asked else fieldsets

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"demanded": getattr(request, "reason_demanded", "")})

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """If PostgreSQL demands a reason, shows the sent form again, with PostgreSQL's sentence at the field *Reason*.

        Before this, Django has rolled the write back to a savepoint.
        """
        try:
            return super().changeform_view(request, *args, **kwargs)
        except DatabaseError as error:
            refusal = refusal_of(error)
            if refusal is None or refusal.code != REASON_REQUIRED:
                raise
            request.reason_demanded = refusal.sentence  # type: ignore[attr-defined]  # `get_form` reads this attribute
        return super().changeform_view(request, *args, **kwargs)

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """Sets the reason for the audit trail before Django writes the row."""
        give_reason(form.cleaned_data["change_reason"])
        return super().save_form(request, form, change)

    def deletion_form(self, request: HttpRequest) -> DeletionForm:
        return DeletionForm(request.POST if request.method == "POST" else None)

    def delete_confirmed(self, request: HttpRequest, object_id: str, form: Any, context: dict[str, Any]) -> Any:
        give_reason(form.cleaned_data["change_reason"])
        return super().delete_confirmed(request, object_id, form, context)
