"""Three states of a form become one: what was shown, what was sent, what the row holds by now.

A field that the visitor left as it was shown stays as it is by now. A field that the visitor changed is written, unless
it was written meanwhile, or another one was that is decided together with it: that is a clash, and the visitor decides.

A model names what is decided together in `decided_together`: sets of its fields, of its fields of several rows, and of the
rows below it by the name of their relation. Whoever writes one of them has to have seen the others as they are.
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
    """The outcome for one form. `refusal` is a sentence about all of it."""

    kept: frozenset[str] = frozenset()  # not touched, or changed to what is there already: nothing is written
    by_others: tuple[str, ...] = ()  # of those, the fields that are no longer as they were shown
    written: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)  # since the page was made, by anybody
    shared: frozenset[str] = (
        frozenset()
    )  # fields of several rows, which two may write: each of their rows is decided by itself
    together: tuple[tuple[str, ...], ...] = ()  # the model's `decided_together`
    refusal: str = ""
    data: QueryDict = field(default_factory=QueryDict, repr=False)

    @property
    def clashes(self) -> dict[str, list[str]]:
        """Each field that would be written over what its visitor never saw, with the fields that changed."""
        found = {name: sorted(self._decided_with(name) & self.changed) for name in sorted(self.written)}
        return {name: others for name, others in found.items() if others}

    def _decided_with(self, name: str) -> set[str]:
        return {name, *(other for names in self.together if name in names for other in names)} - ({name} & self.shared)


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
        for name, changed in self.merge.clashes.items():
            told = "This was changed" if name in changed else "What is decided together with this was changed"
            self.add_error(name if name in self.fields else None, f"{told} while you had the page open: see above.")
        return cleaned

    @cached_property
    def changed_data(self) -> list[str]:
        return [name for name in super().changed_data if name not in self.merge.kept]

    def _get_validation_exclusions(self) -> set[str]:
        """What isn't written isn't judged: a contact may have been deactivated since. PostgreSQL judges the row as a whole."""
        return super()._get_validation_exclusions() | self.merge.kept  # type: ignore[misc]  # not in the stubs


def initial_digests(form: forms.ModelForm) -> dict[str, str | list[str]]:
    """The form's values, short: a digest of each, and all keys of a field that holds several rows."""
    return {name: _short(_plain(form.initial[name])) for name in form.fields if name in form.initial}


def merge(form: forms.ModelForm, before: dict[str, Any], since: Since = UNCHANGED) -> Merge:
    """`form` has the present row as its instance, and is bound to what was sent; `before` is what was shown."""
    data: Any = form.data.copy()  # type: ignore[attr-defined]  # of a request: a QueryDict
    kept, by_others, written, changed, shared = set(), [], set(), set(since.fields), set()
    for name, present in initial_digests(form).items():
        if name not in before:
            kept.add(name)  # the page didn't have it: its visitor may do more by now
            continue
        mine = _typed_value(form, name, before[name])
        if before[name] != present:
            changed.add(name)
        if isinstance(present, list):
            joined = _joined(set(before[name]), set(mine), set(present))
            data.setlist(form.add_prefix(name), joined)
            mine_alone = set(joined) ^ set(present)
            if mine_alone:
                written.add(name)
            if mine_alone & since.members.get(name, frozenset()):
                changed.add(name)  # though it may hold again what was shown
            else:
                shared.add(name)
            continue
        if before[name] != present and mine == before[name]:
            by_others.append(name)
        if mine in (before[name], present):
            kept.add(name)
        else:
            written.add(name)
    together = getattr(form.instance, "decided_together", ())
    return Merge(frozenset(kept), tuple(by_others), written, changed, frozenset(shared), together, data=data)


def typed(form: forms.ModelForm, before: dict[str, Any]) -> dict[str, str]:
    """The fields that differ from what was shown, by label, as text to copy."""
    found = {}
    for name in form.fields:
        if name in before and _typed_value(form, name, before[name]) != before[name]:
            value = form[name].value()
            values = value if isinstance(value, list | tuple) else [value]
            choices = {str(key): str(label) for key, label in getattr(form.fields[name], "choices", ())}
            found[str(form[name].label)] = " ".join(choices.get(str(one), str(one)) for one in values if one)
    return found


def _typed_value(form: forms.ModelForm, name: str, before: Any) -> str | list[str]:
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
    """Also of what the form doesn't have: fields that its visitor only reads, and rows below."""
    return [str(form[name].label) if name in form.fields else _label(form.instance, name) for name in names]


def _label(row: Model, name: str) -> str:
    one: Any = row._meta.get_field(name)
    return capfirst(str(one.related_model._meta.verbose_name if one.auto_created else one.verbose_name))
