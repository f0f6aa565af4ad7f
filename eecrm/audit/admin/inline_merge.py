"""Rows that a form adds and takes away below the fields of its object, against those that are there by now."""

from django.forms.models import BaseInlineFormSet
from django.http import QueryDict


def merge_rows(data: QueryDict, formset: BaseInlineFormSet) -> bool:
    """Leave out of `data` a row that was added meanwhile in the same words. Django leaves out what was taken away meanwhile.

    Returns False for a clash: the object has one such row at most, and got another than was sent. `formset` is bound to what
    was sent.
    """
    count = formset.initial_form_count()
    shown = {data.get(f"{formset.prefix}-{place}-id") for place in range(count)}
    others = [row for row in formset.get_queryset() if str(row.pk) not in shown]
    if not formset.fk.unique or not others:
        return True
    for place, form in enumerate(formset.forms[count:], count):
        if form.has_changed():
            if any(str(form[name].data) != str(getattr(others[0], name)) for name in form.changed_data):
                return False
            _leave_out(data, formset, place)
            break
    return True


def is_written(data: QueryDict, formset: BaseInlineFormSet) -> bool:
    """Whether it would add, change or take away a row. To be asked after `merge_rows`."""
    count = formset.initial_form_count()
    for place, form in enumerate(formset.forms):
        if not any(name.startswith(f"{form.prefix}-") for name in data):
            continue  # left out
        is_taken_away = form.add_prefix("DELETE") in data
        is_there = place < count and form.instance.pk is not None
        if is_there and (is_taken_away or form.has_changed()):
            return True
        if place >= count and form.has_changed() and not is_taken_away:
            return True
    return False


def _leave_out(data: QueryDict, formset: BaseInlineFormSet, place: int) -> None:
    """The last of the forms: of one row at most, there is one form that adds it."""
    for name in [name for name in data if name.startswith(f"{formset.prefix}-{place}-")]:
        del data[name]
    data[f"{formset.prefix}-TOTAL_FORMS"] = str(place)
