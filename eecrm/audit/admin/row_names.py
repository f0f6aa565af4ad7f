"""Finds the current names of the rows that trail entries mention, and links to the rows' admin pages."""

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

from django.apps import apps
from django.contrib.admin import AdminSite
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

RowKey = tuple[str, str]  # (table name, row key) of a trail entry, such as ("clients_client", "7")


class Value(NamedTuple):
    """A text on an admin page. `url` is empty if the text has no link."""

    text: str
    url: str = ""


@cache
def model_of_table(table: str) -> type[Model] | None:
    models = apps.get_models(include_auto_created=True)
    return next((model for model in models if model._meta.db_table == table), None)


def kind_of(table: str) -> str:
    model = model_of_table(table)
    return str(model._meta.verbose_name) if model else table


def linked(site: AdminSite, request: HttpRequest, row_keys: Iterable[RowKey]) -> dict[RowKey, Value]:
    """Maps each row key to the row's name and link, if the row exists and the user may see its admin page.

    Sends one query for each table, and the prefetch queries of the table's admin page.
    """
    keys: dict[str, set[str]] = {}
    for table, key in row_keys:
        keys.setdefault(table, set()).add(key)
    values: dict[RowKey, Value] = {}
    for table, wanted in keys.items():
        model = model_of_table(table)
        page = site._registry.get(model) if model else None
        if page is None or not page.has_view_permission(request):
            continue
        for row in page.get_queryset(request).filter(pk__in=wanted):
            values[table, str(row.pk)] = Value(str(row), _row_page(site, row))
    return values


def _row_page(site: AdminSite, row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk], current_app=site.name)
