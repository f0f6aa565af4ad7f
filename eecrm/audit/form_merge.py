"""Three states of a form become one: what was shown, what was sent, what the row holds by now.

A field that the visitor left as it was shown stays as it is by now. A field that the visitor changed is written, unless
it was changed meanwhile to something else: that is a clash, and the visitor decides.
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


@dataclass
class Merge:
    """The outcome for one form. `refusal` is a sentence about all of it."""

    kept: frozenset[str] = frozenset()  # not touched, or changed to what is there already: nothing is written
    by_others: tuple[str, ...] = ()  # of those, the fields that are no longer as they were shown
    clashes: tuple[str, ...] = ()
    refusal: str = ""
    data: QueryDict = field(default_factory=QueryDict, repr=False)


class MergedForm(forms.ModelForm):
    """Writes what its visitor changed and nothing else; shows the fields that weren't touched as they are by now."""

    merge: ClassVar[Merge] = Merge()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, one in self.fields.items():
            if isinstance(one, forms.ModelChoiceField) and not isinstance(one, forms.ModelMultipleChoiceField):
                self._offer_present(name, one)

    def _offer_present(self, name: str, one: forms.ModelChoiceField) -> None:
        """A contact who may be chosen no longer is still the one: without this the page would show, and send, nobody."""
        present = self.initial.get(name) if self.instance.pk else None
        if present is not None and one.queryset is not None:
            one.queryset = one.queryset | one.queryset.model._default_manager.filter(pk=getattr(present, "pk", present))

    def _clean_fields(self) -> None:
        everything = self.fields
        self.fields = {name: one for name, one in everything.items() if name not in self.merge.kept}
        try:
            super()._clean_fields()  # type: ignore[misc]  # not in the stubs
        finally:
            self.fields = everything
        for name in self.merge.kept:
            present = self[name].initial
            self.fields[name].bound_data = lambda data, initial, present=present: present  # type: ignore[method-assign, misc]

    def clean(self) -> Any:
        cleaned = super().clean()
        if self.merge.refusal:
            self.add_error(None, self.merge.refusal)
        for name in self.merge.clashes:
            self.add_error(name, "This was changed while you had the page open: see above.")
        return cleaned

    @cached_property
    def changed_data(self) -> list[str]:
        return [name for name in super().changed_data if name not in self.merge.kept]

    def _get_validation_exclusions(self) -> set[str]:
        """What isn't written isn't judged: a contact may have been deactivated since. PostgreSQL judges the row as a whole."""
        return super()._get_validation_exclusions() | self.merge.kept  # type: ignore[misc]  # not in the stubs


def shown(form: forms.ModelForm) -> dict[str, str | list[str]]:
    """The form's values, short: a digest of each, and all keys of a field that holds several rows."""
    return {name: _short(_plain(form.initial[name])) for name in form.fields if name in form.initial}


def merge(form: forms.ModelForm, before: dict[str, Any]) -> Merge:
    """`form` has the present row as its instance, and is bound to what was sent; `before` is what was shown."""
    data: Any = form.data.copy()  # type: ignore[attr-defined]  # of a request: a QueryDict
    kept, by_others, clashes = set(), [], []
    for name, present in shown(form).items():
        if name not in before:
            kept.add(name)  # the page didn't have it: its visitor may do more by now
            continue
        mine = _typed(form, name, before[name])
        if isinstance(present, list):
            data.setlist(form.add_prefix(name), _joined(set(before[name]), set(mine), set(present)))
            continue
        if before[name] != present and mine == before[name]:
            by_others.append(name)
        if mine in (before[name], present):
            kept.add(name)
        elif before[name] != present:
            clashes.append(name)
    return Merge(frozenset(kept), tuple(by_others), tuple(clashes), data=data)


def typed(form: forms.ModelForm, before: dict[str, Any]) -> dict[str, str]:
    """The fields that differ from what was shown, by label, as text to copy."""
    found = {}
    for name in form.fields:
        if name in before and _typed(form, name, before[name]) != before[name]:
            value = form[name].value()
            values = value if isinstance(value, list | tuple) else [value]
            choices = {str(key): str(label) for key, label in getattr(form.fields[name], "choices", ())}
            found[str(form[name].label)] = " ".join(choices.get(str(one), str(one)) for one in values if one)
    return found


def _typed(form: forms.ModelForm, name: str, before: Any) -> str | list[str]:
    """What was sent for a field, as `shown` has it. What wasn't sent at all is left alone."""
    one, key = form.fields[name], form.add_prefix(name)
    if not isinstance(before, list) and one.widget.value_omitted_from_data(form.data, form.files, key):
        return str(before)
    raw = one.widget.value_from_datadict(form.data, form.files, key)
    if isinstance(one, forms.ModelChoiceField) and not isinstance(before, list):
        return _short(str(raw or ""))  # shown, it may be no choice any more
    try:
        return _short(_plain(one.clean(raw)))
    except ValidationError:
        return [str(text) for text in raw or ()] if isinstance(before, list) else f"refused {raw!r}"


def _joined(before: set[str], mine: set[str], present: set[str]) -> list[str]:
    """Each of several rows by itself: what either of the two put in is in, what either took out is out."""
    return sorted((present | (mine - before)) - (before - mine))


def _plain(value: Any) -> str | list[str]:
    """One spelling for a value of a row and for the same value from a form."""
    match value:
        case None:
            return ""
        case Model():
            return str(value.pk)
        case QuerySet() | list() | tuple():
            return sorted(str(_plain(one)) for one in value)
        case datetime():
            moment = value.astimezone(UTC) if value.tzinfo else value
            return moment.replace(microsecond=0).isoformat()  # a form has seconds
        case Decimal():
            return f"{value.normalize():f}"
    return str(value).replace("\r\n", "\n").replace("\r", "\n").strip()  # browsers send CRLF


def _short(value: str | list[str]) -> str | list[str]:
    return value if isinstance(value, list) else blake2b(value.encode(), digest_size=9).hexdigest()


def labels(form: forms.ModelForm, names: Iterable[str]) -> list[str]:
    return [str(form[name].label) for name in names]
