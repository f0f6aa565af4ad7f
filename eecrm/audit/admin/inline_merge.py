"""Merges the inline rows (related rows on the same page) of a sent admin form with the inline rows in the database."""

from django.forms.models import BaseInlineFormSet
from django.http import QueryDict


def merge_rows(data: QueryDict, formset: BaseInlineFormSet) -> bool:
    """Removes a new inline row from `data` if another user has added the same row since the page was shown.

    `formset` is bound to the sent data. Django itself skips rows that were deleted since the page was shown.
    Returns False for a clash: the object can have only one inline row, and another user has added a different row.
    """
    count = formset.initial_form_count()
    shown = {data.get(f"{formset.prefix}-{index}-id") for index in range(count)}
    others = [row for row in formset.get_queryset() if str(row.pk) not in shown]
    if not formset.fk.unique or not others:
        return True
    for index, form in enumerate(formset.forms[count:], count):
        if form.has_changed():
            if any(str(form[name].data) != str(getattr(others[0], name)) for name in form.changed_data):
                return False
            _remove_form(data, formset, index)
            break
    return True


def is_written(data: QueryDict, formset: BaseInlineFormSet) -> bool:
    """Returns True if saving the formset would add, change or delete a row. Call it after `merge_rows`."""
    count = formset.initial_form_count()
    for index, form in enumerate(formset.forms):
        if not any(name.startswith(f"{form.prefix}-") for name in data):
            continue  # `merge_rows` has removed this form's data
        is_taken_away = form.add_prefix("DELETE") in data
        is_there = index < count and form.instance.pk is not None
        if is_there and (is_taken_away or form.has_changed()):
            return True
        if index >= count and form.has_changed() and not is_taken_away:
            return True
    return False


def _remove_form(data: QueryDict, formset: BaseInlineFormSet, index: int) -> None:
    """Removes the inline form at `index` from `data`.

    No form follows it, because the object can have only one inline row.
    """
    for name in [name for name in data if name.startswith(f"{formset.prefix}-{index}-")]:
        del data[name]
    data[f"{formset.prefix}-TOTAL_FORMS"] = str(index)
