"""Three-way merge of an admin form: the values shown, the values sent, and the current values of the row.

A field that the user left unchanged keeps its current value. A field that the user changed is written.
It is a clash if this field, or one that is decided together with it, was written since the page was shown.
At a clash nothing is saved, and the user decides.

A model lists in `decided_together` sets of names that are decided together.
The names are fields, many-to-many fields, and inline rows by the name of their relation.
A user who writes one of a set must have seen the current values of the others.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from hashlib import blake2b
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import QueryDict
from django.utils.text import capfirst

from audit.admin.page_versions import UNCHANGED, Since


@dataclass
class Merge:
    """The result of the merge for one form. `refusal` is an error sentence about the whole form."""

    kept: frozenset[str] = frozenset()  # not written: unchanged by the user, or changed to the current value
    by_others: tuple[str, ...] = ()  # kept fields whose current value isn't the one that was shown
    written: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)  # since the page was made, by any user
    # Many-to-many fields in which both users changed different rows, or one none. These changes don't clash.
    shared: frozenset[str] = frozenset()
    together: tuple[tuple[str, ...], ...] = ()  # the model's `decided_together`
    refusal: str = ""
    data: QueryDict = field(default_factory=QueryDict, repr=False)

    @property
    def clashes(self) -> dict[str, list[str]]:
        """Each clashing field, with the changed fields (itself or others) that the user hasn't seen."""
        changed_with = {name: sorted(self._decided_with(name) & self.changed) for name in sorted(self.written)}
        return {name: others for name, others in changed_with.items() if others}

    def _decided_with(self, name: str) -> set[str]:
        return {name, *(other for names in self.together if name in names for other in names)} - ({name} & self.shared)


class MergedForm(forms.ModelForm):
    """Writes only the fields that the user changed, and shows the current values of the others."""

    merge: ClassVar[Merge] = Merge()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, choice in self.fields.items():
            if isinstance(choice, forms.ModelChoiceField) and not isinstance(choice, forms.ModelMultipleChoiceField):
                self._offer_present(name, choice)

    def _offer_present(self, name: str, choice: forms.ModelChoiceField) -> None:
        """Add the current row to the choices, even if it is no longer eligible (a contact who was deactivated).

        Otherwise the page would show an empty field, and send it.
        """
        present = self.initial.get(name) if self.instance.pk else None
        if present is not None and choice.queryset is not None:
            key = getattr(present, "pk", present)
            choice.queryset = choice.queryset | choice.queryset.model._default_manager.filter(pk=key)

    def _clean_fields(self) -> None:
        all_fields = self.fields
        self.fields = {name: kept for name, kept in all_fields.items() if name not in self.merge.kept}
        try:
            super()._clean_fields()  # type: ignore[misc]  # not in the stubs
        finally:
            self.fields = all_fields
        for name in self.merge.kept:
            present = self[name].initial
            form_field: Any = self.fields[name]
            form_field.bound_data = lambda data, initial, present=present: present

    def clean(self) -> Any:
        cleaned = super().clean()
        if self.merge.refusal:
            self.add_error(None, self.merge.refusal)
        for name, changed in self.merge.clashes.items():
            start = "This was changed" if name in changed else "What is decided together with this was changed"
            self.add_error(name if name in self.fields else None, f"{start} while you had the page open: see above.")
        return cleaned

    @cached_property
    def changed_data(self) -> list[str]:
        return [name for name in super().changed_data if name not in self.merge.kept]

    def _get_validation_exclusions(self) -> set[str]:
        """Excludes fields that aren't written. Their value may be invalid by now, such as a deactivated contact.

        PostgreSQL still checks the whole row.
        """
        return super()._get_validation_exclusions() | self.merge.kept  # type: ignore[misc]  # not in the stubs


def initial_digests(form: forms.ModelForm) -> dict[str, str | list[str]]:
    """The form's initial values in short form: a digest for each field, and all keys for a many-to-many field."""
    return {name: _short(_plain(form.initial[name])) for name in form.fields if name in form.initial}


def merge(form: forms.ModelForm, before: dict[str, Any], since: Since = UNCHANGED) -> Merge:
    """Merge a form that is bound to the sent data and has the current row as its instance.

    `before` are the digests of the values that were shown; `since` are the changes since then.
    """
    data: Any = form.data.copy()  # type: ignore[attr-defined]  # of a request: a QueryDict
    kept, by_others, written, changed, shared = set(), [], set(), set(since.fields), set()
    for name, present in initial_digests(form).items():
        if name not in before:
            kept.add(name)  # the page didn't show it: the user has got more rights since
            continue
        sent = _typed_value(form, name, before[name])
        if before[name] != present:
            changed.add(name)
        if isinstance(present, list):
            merged_keys = _merge_keys(set(before[name]), set(sent), set(present))
            data.setlist(form.add_prefix(name), merged_keys)
            changed_keys = set(merged_keys) ^ set(present)
            if changed_keys:
                written.add(name)
            if changed_keys & since.members.get(name, frozenset()):
                changed.add(name)  # even if the field has the shown value again
            else:
                shared.add(name)
            continue
        if before[name] != present and sent == before[name]:
            by_others.append(name)
        if sent in (before[name], present):
            kept.add(name)
        else:
            written.add(name)
    together = getattr(form.instance, "decided_together", ())
    return Merge(frozenset(kept), tuple(by_others), written, changed, frozenset(shared), together, data=data)


def typed(form: forms.ModelForm, before: dict[str, Any]) -> dict[str, str]:
    """Label -> text of each field that the user changed, so that the user can copy the input."""
    texts = {}
    for name in form.fields:
        if name in before and _typed_value(form, name, before[name]) != before[name]:
            value = form[name].value()
            values = value if isinstance(value, list | tuple) else [value]
            choices = {str(key): str(label) for key, label in getattr(form.fields[name], "choices", ())}
            texts[str(form[name].label)] = " ".join(choices.get(str(item), str(item)) for item in values if item)
    return texts


def _typed_value(form: forms.ModelForm, name: str, before: Any) -> str | list[str]:
    """Digest of the value sent for a field, as in `initial_digests`. A field that wasn't sent counts as unchanged."""
    form_field, key = form.fields[name], form.add_prefix(name)
    if not isinstance(before, list) and form_field.widget.value_omitted_from_data(form.data, form.files, key):
        return str(before)
    raw = form_field.widget.value_from_datadict(form.data, form.files, key)
    if isinstance(form_field, forms.ModelChoiceField) and not isinstance(before, list):
        return _short(str(raw or ""))  # without `clean`, because the row may no longer be a choice
    try:
        return _short(_plain(form_field.clean(raw)))
    except ValidationError:
        return [str(text) for text in raw or ()] if isinstance(before, list) else f"refused {raw!r}"


def _merge_keys(before: set[str], sent: set[str], present: set[str]) -> list[str]:
    """Merge the keys of a many-to-many field: keys added by either side are in, keys removed by either side are out."""
    return sorted((present | (sent - before)) - (before - sent))


def _plain(value: Any) -> str | list[str]:
    """Text of a value, the same for a value of the row and for that value from a form."""
    match value:
        case None:
            return ""
        case Model():
            return str(value.pk)
        case QuerySet() | list() | tuple():
            return sorted(str(_plain(item)) for item in value)
        case datetime():
            moment = value.astimezone(UTC) if value.tzinfo else value
            return moment.replace(microsecond=0).isoformat()  # forms have no microseconds
        case Decimal():
            return f"{value.normalize():f}"
    return str(value).replace("\r\n", "\n").replace("\r", "\n").strip()  # browsers send CRLF


def _short(value: str | list[str]) -> str | list[str]:
    return value if isinstance(value, list) else blake2b(value.encode(), digest_size=9).hexdigest()


def labels(form: forms.ModelForm, names: Iterable[str]) -> list[str]:
    """Labels of fields, also of read-only fields and inline rows, which the form doesn't have."""
    return [str(form[name].label) if name in form.fields else _label(form.instance, name) for name in names]


def _label(row: Model, name: str) -> str:
    model_field: Any = row._meta.get_field(name)
    if model_field.auto_created:
        return capfirst(str(model_field.related_model._meta.verbose_name))
    return capfirst(str(model_field.verbose_name))
