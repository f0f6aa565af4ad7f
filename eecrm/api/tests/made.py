"""Rows of any resource, made through the API of the documented examples."""

from typing import Any

from access.database import acting_as
from access.policy import Role
from api.openapi.examples import of_serializer
from api.resources.registry import collection_of, viewsets
from api.resources.serializers import RelatedKey
from conftest import API, Caller


def body_of(name: str) -> dict[str, Any]:
    """The documented examples of the fields that one may write. Accounts are those of the world."""
    serializer = viewsets()[name].serializer_class()
    docs = of_serializer(serializer, "field_docs")
    body = {field: docs[field][1] for field, one in serializer.fields.items() if field in docs and not one.read_only}
    with acting_as(Role.SUPERUSER):
        keys = {field: one for field, one in serializer.fields.items() if isinstance(one, RelatedKey)}
        return body | {
            field: one.get_queryset().order_by("pk").values_list("pk", flat=True)[0] for field, one in keys.items()
        }


def patch_of(name: str) -> dict[str, Any]:
    return dict(of_serializer(viewsets()[name].serializer_class(), "patch"))


def made(manager: Caller, name: str) -> dict[str, Any]:
    """A new row below new parents, each of which was changed as its documentation says: a client that is no prospect, say."""
    viewset, above = viewsets()[name], API
    if viewset.parents:
        parent = made(manager, viewset.parents[-1].keyword)
        changed = manager.patch(parent["url"], patch_of(viewset.parents[-1].keyword))
        assert changed.status_code == 200, changed.content
        above = parent["url"]
    response = manager.post(f"{above}{collection_of(viewset)}/", body_of(name))
    assert response.status_code == 201, response.content
    assert response["Location"] == response.json()["url"]
    return dict(response.json())
