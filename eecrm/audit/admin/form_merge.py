"""Three-way merge of an admin form: the values shown, the values sent, and the current values of the row.

A field that the user left unchanged keeps its current value. A field that the user changed is written.
A field clashes if both this user and somebody else have changed it since the page was shown.
If a field clashes, nothing is saved, and the page asks the user which value is right.

Some fields get a new value only when somebody confirms it. Until then, a row of another table holds the new value.
The model names the relation to this row in `waiting_values`. Such a row counts as a change of the field.

A model may list sets of field names in `decided_together`, for fields that make sense only together.
A user who changes one field of a set must have seen the current values of the others. Otherwise it is a clash, too.
The names are fields, many-to-many fields, or inline rows by the name of their relation.
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

    # The form doesn't write these fields, because the user left them unchanged or entered the current value.
    kept: frozenset[str] = frozenset()
    by_others: tuple[str, ...] = ()  # fields in `kept` that only other users changed after the page was shown
    written: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)  # fields that any user has changed since the page was shown
    # In these many-to-many fields, no two users added or removed the same related row. So their changes don't clash.
    shared: frozenset[str] = frozenset()
    together: tuple[tuple[str, ...], ...] = ()  # `decided_together` of the model: sets of fields
    refusal: str = ""
    data: QueryDict = field(default_factory=QueryDict, repr=False)

    @property
    def clashes(self) -> dict[str, list[str]]:
        """Maps each clashing field to the fields that changed since the page was shown.

        These are the field itself, or other fields that must be decided together with it (`decided_together`).
        """
        changed_with = {name: sorted(self._decided_with(name) & self.changed) for name in sorted(self.written)}
        return {name: others for name, others in changed_with.items() if others}

    def _decided_with(self, name: str) -> set[str]:
        return {name, *(other for names in self.together if name in names for other in names)} - ({name} & self.shared)


class MergedForm(forms.ModelForm):
    """A form that writes only the fields that the user changed, and shows the current values of the other fields."""

    merge: ClassVar[Merge] = Merge()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, choice in self.fields.items():
            if isinstance(choice, forms.ModelChoiceField) and not isinstance(choice, forms.ModelMultipleChoiceField):
                self._offer_present(name, choice)

    def _offer_present(self, name: str, choice: forms.ModelChoiceField) -> None:
        """Adds the currently selected row to the choices, even if it may no longer be chosen (a deactivated contact).

        Otherwise the page would show an empty field, and saving it would remove the contact.
        """
        present = self.initial.get(name) if self.instance.pk else None
        if present is not None and choice.queryset is not None:
            key = getattr(present, "pk", present)
            choice.queryset = choice.queryset | choice.queryset.model._default_manager.filter(pk=key)

    def _clean_fields(self) -> None:
        all_fields = self.fields
        self.fields = {name: kept for name, kept in all_fields.items() if name not in self.merge.kept}
        try:
            super()._clean_fields()  # type: ignore[misc]  # not in Django's stubs
        finally:
            self.fields = all_fields
        for name in self.merge.kept:
            present = self[name].initial
            form_field: Any = self.fields[name]
            form_field.bound_data = lambda data, initial, present=present: present

    def objection(self, name: str, value: Any) -> str:
        """Returns why the value of a field can't be saved at once; "" if it can. `VersionedAdmin` replaces this."""
        return ""

    def clean(self) -> Any:
        cleaned = super().clean()
        if self.merge.refusal:
            self.add_error(None, self.merge.refusal)
        for name, changed in self.merge.clashes.items():
            start = "This was changed" if name in changed else "What is decided together with this was changed"
            self.add_error(name if name in self.fields else None, f"{start} while you had the page open: see above.")
        for name in self.changed_data:
            if sentence := self.objection(name, self.cleaned_data.get(name)):
                self.add_error(name, sentence)
        return cleaned

    @cached_property
    def changed_data(self) -> list[str]:
        return [name for name in super().changed_data if name not in self.merge.kept]

    def _get_validation_exclusions(self) -> set[str]:
        """Excludes from validation the fields that the form doesn't write. Their stored values may be invalid by now.

        An example is a contact who was deactivated later. PostgreSQL still checks the whole row.
        """
        return super()._get_validation_exclusions() | self.merge.kept  # type: ignore[misc]  # not in Django's stubs


def initial_digests(form: forms.ModelForm) -> dict[str, str | list[str]]:
    """Returns a digest of each field's initial value, by the field's name.

    For a many-to-many field, the result has the list of the chosen objects' keys instead of a digest.
    """
    return {name: _short(_plain(form.initial[name])) for name in form.fields if name in form.initial}


def merge(form: forms.ModelForm, before: dict[str, Any], since: Since = UNCHANGED) -> Merge:
    """Merges a form that is bound to the sent data and has the current row as its instance.

    `before` are the digests of the values that the page showed. `since` are the changes since the page was shown.
    """
    data: Any = form.data.copy()  # type: ignore[attr-defined]  # the data of a request is a QueryDict
    kept, by_others, written, changed, shared = set(), [], set(), set(since.fields), set()
    for name, present in initial_digests(form).items():
        if name not in before:
            kept.add(name)  # the page didn't show the field, because the user got the right to see it later
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
                changed.add(name)  # a clash, even if the other user added related rows and removed them again
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
    """Maps the label of each field that the user changed to the entered text, so that the user can copy the text."""
    texts = {}
    for name in form.fields:
        if name in before and _typed_value(form, name, before[name]) != before[name]:
            value = form[name].value()
            values = value if isinstance(value, list | tuple) else [value]
            choices = {str(key): str(label) for key, label in getattr(form.fields[name], "choices", ())}
            texts[str(form[name].label)] = " ".join(choices.get(str(item), str(item)) for item in values if item)
    return texts


def _typed_value(form: forms.ModelForm, name: str, before: Any) -> str | list[str]:
    """Returns the digest (`_short`) of the value that was sent for a field. A field that wasn't sent is unchanged."""
    form_field, key = form.fields[name], form.add_prefix(name)
    if not isinstance(before, list) and form_field.widget.value_omitted_from_data(form.data, form.files, key):
        return str(before)
    raw = form_field.widget.value_from_datadict(form.data, form.files, key)
    if isinstance(form_field, forms.ModelChoiceField) and not isinstance(before, list):
        return _short(str(raw or ""))  # `clean` would refuse a row that may no longer be chosen
    try:
        return _short(_plain(form_field.clean(raw)))
    except ValidationError:
        return [str(text) for text in raw or ()] if isinstance(before, list) else f"refused {raw!r}"


def _merge_keys(before: set[str], sent: set[str], present: set[str]) -> list[str]:
    """Returns the current keys of a many-to-many field, plus the keys that the user added, minus those removed."""
    return sorted((present | (sent - before)) - (before - sent))


def _plain(value: Any) -> str | list[str]:
    """Returns a value as text. A stored value and the same value from a form give the same text."""
    match value:
        case None:
            return ""
        case Model():
            return str(value.pk)
        case QuerySet() | list() | tuple():
            return sorted(str(_plain(item)) for item in value)
        case datetime():
            moment = value.astimezone(UTC) if value.tzinfo else value
            # A form sends times without microseconds. The stored time must give the same text.
            return moment.replace(microsecond=0).isoformat()
        case Decimal():
            return f"{value.normalize():f}"
    return str(value).strip()


def _short(value: str | list[str]) -> str | list[str]:
    return value if isinstance(value, list) else blake2b(value.encode(), digest_size=9).hexdigest()


def labels(form: forms.ModelForm, names: Iterable[str]) -> list[str]:
    """Returns the labels of the fields in `names`.

    A field needn't be in the form, because the page also shows read-only fields.
    """
    return [str(form[name].label) if name in form.fields else _label(form.instance, name) for name in names]


def _label(row: Model, name: str) -> str:
    model_field: Any = row._meta.get_field(name)
    if model_field.auto_created:
        return capfirst(str(model_field.related_model._meta.verbose_name))
    return capfirst(str(model_field.verbose_name))
