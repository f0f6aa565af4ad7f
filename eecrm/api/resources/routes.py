"""Yields the URL patterns of the resources: of collections, items, and an item's `history/` and `access/`."""

from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, path, register_converter

from api.resources.converters import IdConverter
from api.resources.registry import collection_of, viewsets

register_converter(IdConverter, "id")

_COLLECTION = {"get": "list", "post": "create"}
_ITEM = {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}
_OF_ITEM = ("history", "access")  # paths below an item; a path exists if the viewset has the action of this name


def routes_of_resources() -> Iterator[URLPattern]:
    """Yields the URL patterns of all resources. A resource with parents has nested paths and flat paths.

    For example, `clients/<id>/contracts/` and `contracts/`. A new row can only be created at the nested path.
    """
    for name, viewset in viewsets().items():
        parents = [parent.keyword for parent in viewset.parents]
        above = "".join(f"{collection_of(viewsets()[parent])}/<id:{parent}>/" for parent in parents)
        collection = collection_of(viewset)
        yield from _routes(f"{above}{collection}", viewset, "-".join([*parents, name]))
        if parents:
            yield from _routes(collection, viewset, name, creates=False)


def _routes(prefix: str, viewset: type[Any], name: str, *, creates: bool = True) -> Iterator[URLPattern]:
    """Yields the URL patterns of one collection. With `creates=False`, POST isn't allowed."""
    collection = _COLLECTION if creates else {"get": "list"}
    yield path(f"{prefix}/", viewset.as_view(collection), name=f"{name}-list")
    yield path(f"{prefix}/<id:pk>/", viewset.as_view(_ITEM), name=f"{name}-detail")
    for action in _OF_ITEM:
        if hasattr(viewset, action):
            yield path(f"{prefix}/<id:pk>/{action}/", viewset.as_view({"get": action}), name=f"{name}-{action}")
