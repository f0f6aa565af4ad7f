"""The resources of the API, parents first: the viewsets that config/resources.py lists."""

from functools import cache
from typing import Any

from django.conf import settings
from django.db.models import Model
from django.utils.module_loading import import_string


@cache
def viewsets() -> dict[str, type[Any]]:
    """Returns resource -> viewset, such as "client" -> ClientViewSet. Call it only after all apps are loaded."""
    return {name: import_string(path) for name, path in settings.RESOURCES.items()}


def recorded() -> dict[str, type[Any]]:
    """Returns the viewsets with `history/`: each change of their rows is on the audit trail."""
    return {name: viewset for name, viewset in viewsets().items() if hasattr(viewset, "history")}


def copied() -> dict[str, type[Any]]:
    """Returns the viewsets of resources that clients may keep offline: `sync/` reports changes of their rows."""
    return {name: viewset for name, viewset in viewsets().items() if viewset.has_offline_copies}


def model_of(viewset: type[Any]) -> type[Model]:
    model: type[Model] = viewset.serializer_class.Meta.model
    return model


def table_of(viewset: type[Any]) -> str:
    return model_of(viewset)._meta.db_table


def collections() -> dict[str, str]:
    """Returns collection in a path -> resource: `{"clients": "client"}`."""
    return {collection_of(viewset): name for name, viewset in viewsets().items()}


def collection_of(viewset: type[Any]) -> str:
    return str(viewset.collection or f"{viewset.resource}s")
