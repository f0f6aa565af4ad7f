"""`StrictSerializer` copies fields that are built once per class. The copies must not pass anything from a request to the next."""

from collections.abc import Iterator
from typing import Any

import pytest
from rest_framework import serializers

import config.urls  # noqa: F401  # imports every module that has serializers
from api.resources.serializers import StrictSerializer, _listed_fields
from conftest import World

ODD_VALUES: list[Any] = [None, "", "text", "\x00", 0, -1, 1.5, True, [], [{}], {}, {"id": 1}, "2027-02-30", "9" * 400]


def concrete(cls: type[StrictSerializer]) -> Iterator[type[StrictSerializer]]:
    for below in cls.__subclasses__():
        yield from concrete(below)
    if not issubclass(cls, serializers.ModelSerializer) or hasattr(cls, "Meta"):
        yield cls


SERIALIZERS = sorted(
    {cls for cls in concrete(StrictSerializer) if cls is not StrictSerializer}, key=lambda cls: cls.__name__
)


def state(fields: dict[str, serializers.Field]) -> dict[str, Any]:
    """Identity of each attribute of the fields, and the contents of the containers among them."""
    return {
        name: {key: (id(value), repr(value) if isinstance(value, list | dict | set | tuple) else "") for key, value in vars(field).items()}
        for name, field in fields.items()
    }  # fmt: skip


@pytest.mark.parametrize("cls", SERIALIZERS, ids=lambda cls: cls.__name__)
def test_copies_are_the_fields_that_drf_builds(cls: type[StrictSerializer], world: World) -> None:
    built = super(StrictSerializer, cls()).get_fields()
    copies = cls().get_fields()
    assert [(name, type(field), repr(field)) for name, field in copies.items()] == [
        (name, type(field), repr(field)) for name, field in built.items()
    ]
    # A field with fields of its own would need copies of these, too.
    assert not [name for name, field in copies.items() if {"child", "child_relation", "fields"} & set(dir(field))]


@pytest.mark.parametrize("cls", SERIALIZERS, ids=lambda cls: cls.__name__)
def test_a_request_leaves_nothing_in_the_fields_of_the_next(cls: type[StrictSerializer], world: World) -> None:
    before = state(_listed_fields(cls))
    for value in ODD_VALUES:
        serializer = cls(data=dict.fromkeys(_listed_fields(cls), value), partial=value is None)
        serializer.is_valid()
    assert state(_listed_fields(cls)) == before
