"""Hides personal data in trail entries from roles that may not see it, such as auditors (`access.masks`)."""

from functools import cache
from typing import Any

from django.apps import apps

from access.masks import HIDDEN, Mask, personal
from api.resources.registry import recorded, table_of
from audit.admin.row_names import model_of_table


@cache
def shown_tables() -> tuple[str, ...]:
    """Returns the tables whose values the trail may show: the tables of resources, and the `trail_tables` of apps.

    All values of other tables are hidden, so that a newly added table can't reveal personal data.
    """
    of_resources = [table_of(viewset) for viewset in recorded().values()]
    of_apps = [table for app in apps.get_app_configs() for table in getattr(app, "trail_tables", ())]
    return (*of_resources, *of_apps)


def hidden(table: str, column: str, value: Any) -> Any:
    """Returns a stored value with stars in place of personal data, for roles that may not see it. Empty values stay."""
    if value in (None, ""):
        return value
    if table not in shown_tables():
        return HIDDEN
    mask = _masks(table).get(column)
    return mask.of(value) if mask else value


@cache
def _masks(table: str) -> dict[str, Mask]:
    model = model_of_table(table)
    if model is None:
        return {}
    masks = personal(model)
    return {str(field.column): masks[field.name] for field in model._meta.concrete_fields if field.name in masks}
