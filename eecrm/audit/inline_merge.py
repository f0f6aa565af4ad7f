"""Rows that a form adds and takes away below the fields of its object, against those that are there by now."""

from django.forms.models import BaseInlineFormSet
from django.http import QueryDict


def merge_rows(data: QueryDict, formset: BaseInlineFormSet) -> bool:
    """Leave out of `data` what was done meanwhile: a row that is gone, and one that was added in the same words.

    Returns False for a clash: the object has one such row at most, and got another than was sent. `formset` is bound to what
    was sent.
    """
    present = {str(row.pk): row for row in formset.get_queryset()}
    count = formset.initial_form_count()
    key = formset.model._meta.pk.name  # type: ignore[union-attr]  # a model that is saved has one
    left_out = {place for place in range(count) if data.get(f"{formset.prefix}-{place}-{key}") not in present}
    shown = {data.get(f"{formset.prefix}-{place}-{key}") for place in range(count)}
    others = [row for name, row in present.items() if name not in shown]
    clashes = False
    if formset.fk.unique and others:
        for place, form in enumerate(formset.forms[count:], count):
            if form.has_changed():
                is_same = all(str(form[name].data) == str(getattr(others[0], name)) for name in form.changed_data)
                left_out |= {place} if is_same else set()
                clashes |= not is_same
    if left_out:
        _leave_out(data, formset, left_out)
    return not clashes


def _leave_out(data: QueryDict, formset: BaseInlineFormSet, places: set[int]) -> None:
    total, count = formset.total_form_count(), formset.initial_form_count()
    forms = {}
    for place in range(total):
        start = f"{formset.prefix}-{place}-"
        forms[place] = {name.removeprefix(start): data.pop(name) for name in list(data) if name.startswith(start)}
    kept = [place for place in range(total) if place not in places]
    for new, place in enumerate(kept):
        for name, values in forms[place].items():
            data.setlist(f"{formset.prefix}-{new}-{name}", values)
    data[f"{formset.prefix}-TOTAL_FORMS"] = str(len(kept))
    data[f"{formset.prefix}-INITIAL_FORMS"] = str(len([place for place in kept if place < count]))
