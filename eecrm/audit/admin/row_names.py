"""Rows of the trail by their names of today, linked to their pages in the admin site."""

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

from django.apps import apps
from django.contrib.admin import AdminSite
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

RowKey = tuple[str, str]  # table and key, as the trail has them


class Value(NamedTuple):
    """What a page shows; `url` is empty where it leads nowhere."""

    text: str
    url: str = ""


@cache
def model_of_table(table: str) -> type[Model] | None:
    models = apps.get_models(include_auto_created=True)
    return next((model for model in models if model._meta.db_table == table), None)


def kind_of(table: str) -> str:
    model = model_of_table(table)
    return str(model._meta.verbose_name) if model else table


def linked(site: AdminSite, request: HttpRequest, places: Iterable[RowKey]) -> dict[RowKey, Value]:
    """Those that still exist, and whose pages this visitor may see: a statement or a few for each kind of them."""
    keys: dict[str, set[str]] = {}
    for table, key in places:
        keys.setdefault(table, set()).add(key)
    found: dict[RowKey, Value] = {}
    for table, wanted in keys.items():
        model = model_of_table(table)
        page = site._registry.get(model) if model else None
        if page is None or not page.has_view_permission(request):
            continue
        for row in page.get_queryset(request).filter(pk__in=wanted):
            found[table, str(row.pk)] = Value(str(row), _row_page(site, row))
    return found


def _row_page(site: AdminSite, row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk], current_app=site.name)
