"""The resources of the API, parents first: the viewsets that config/resources.py lists."""

from functools import cache
from typing import Any

from django.conf import settings
from django.db.models import Model
from django.utils.module_loading import import_string


@cache
def viewsets() -> dict[str, type[Any]]:
    """Maps the name of each resource to its viewset, for example "client" -> ClientViewSet.

    Call this function only after Django has loaded all apps.
    """
    return {name: import_string(path) for name, path in settings.RESOURCES.items()}


def recorded() -> dict[str, type[Any]]:
    """Returns the viewsets of resources with an audit trail, which have the endpoint `history/`."""
    return {name: viewset for name, viewset in viewsets().items() if hasattr(viewset, "history")}


def copied() -> dict[str, type[Any]]:
    """Returns the viewsets of resources that apps may keep offline: `sync/` reports changes of their rows."""
    return {name: viewset for name, viewset in viewsets().items() if viewset.has_offline_copies}


def model_of(viewset: type[Any]) -> type[Model]:
    model: type[Model] = viewset.serializer_class.Meta.model
    return model


def table_of(viewset: type[Any]) -> str:
    return model_of(viewset)._meta.db_table


def collections() -> dict[str, str]:
    """Maps a collection in a URL path to its resource, for example "clients" -> "client"."""
    return {collection_of(viewset): name for name, viewset in viewsets().items()}


def collection_of(viewset: type[Any]) -> str:
    return str(viewset.collection or f"{viewset.resource}s")
