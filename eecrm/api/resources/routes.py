"""URL patterns of a resource: its collection, its items, and their history and access."""

from typing import Any

from django.urls import URLPattern, path, register_converter

from api.resources.converters import IdConverter

register_converter(IdConverter, "id")

_COLLECTION = {"get": "list", "post": "create"}
_ITEM = {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}


def resource_routes(prefix: str, viewset: type[Any], name: str, *, creates: bool = True) -> list[URLPattern]:
    """Returns the URL patterns. `creates=False` leaves out POST, for flat lists of rows that need a parent's path."""
    collection = _COLLECTION if creates else {"get": "list"}
    return [
        path(f"{prefix}/", viewset.as_view(collection), name=f"{name}-list"),
        path(f"{prefix}/<id:pk>/", viewset.as_view(_ITEM), name=f"{name}-detail"),
        path(f"{prefix}/<id:pk>/history/", viewset.as_view({"get": "history"}), name=f"{name}-history"),
        path(f"{prefix}/<id:pk>/access/", viewset.as_view({"get": "access"}), name=f"{name}-access"),
    ]
