"""The members of a body, described: what a serializer's fields don't say by themselves."""

from typing import Any

from drf_spectacular.plumbing import is_patched_serializer

from access.masks import personal
from api.openapi.examples import of_serializer
from api.resources.serializers import ResourceSerializer, StrictSerializer

_WRITTEN_EXAMPLES = "What POST and PUT take."
_CHANGED_EXAMPLE = "What PATCH takes: any of these."
_MONEY = {"request": r"^[0-9]{1,10}(\.[0-9]{1,2})?$", "response": r"^[0-9]{1,10}\.[0-9]{2}$"}


def complete(schema: dict[str, Any], serializer: Any, direction: str) -> dict[str, Any]:
    """The schema of a serializer with sentences, examples, and what is true of all of ours."""
    properties = schema.get("properties", {})
    for name, (about, value) in of_serializer(serializer, "told").items():
        if name in properties:
            properties[name] = _field_documentation(properties[name], about, value)
    for name, one in properties.items():
        _refine(one, name, direction)
        if (
            direction == "response"
            and isinstance(serializer, ResourceSerializer)
            and name in personal(serializer.Meta.model)
        ):
            one.pop("format", None)  # of an address that is masked
    schema.pop("description", None)  # which may be that of a class above
    if about := _described_member(serializer, direction):
        schema["description"] = about
    if direction == "response":
        schema["required"] = list(properties)
    if is_patched_serializer(serializer, direction):
        change = of_serializer(serializer, "patch")
        schema |= {"examples": [change], "x-effect": change | of_serializer(serializer, "effect")}
    if direction == "request" and isinstance(serializer, StrictSerializer):
        schema["additionalProperties"] = False
    return schema


def _refine(one: dict[str, Any], name: str, direction: str) -> None:
    """The types of keys, versions, money and addresses that may be empty, in place."""
    if one.get("oneOf", [{}])[0].get("format") == "email":
        # JSON Schema's "email" knows neither an empty one nor one with letters beyond ASCII, which are accepted.
        one |= one.pop("oneOf")[0]
        one.pop("format")
    if one.get("format") == "email" and one.get("readOnly"):
        one.pop("format")  # an account may have none
    if "integer" in one.get("type", ()) and (name in ("id", "version") or name.endswith("_id")):
        one |= {"format": "int64", "minimum": 1}
    if one.get("format") == "decimal":
        one["pattern"] = _MONEY[direction]


def _field_documentation(schema: dict[str, Any], about: str, value: Any) -> dict[str, Any]:
    """drf-spectacular moves the list of an enum's values, which stands last, to the enum."""
    values = schema.get("description", "") if schema.get("description", "").startswith("*") else ""
    description = "\n\n".join(text for text in (about, values) if text)
    return schema | ({"description": description} if description else {}) | {"examples": [value]}


def _described_member(serializer: Any, direction: str) -> str:
    if direction == "request" and isinstance(serializer, ResourceSerializer):
        return _CHANGED_EXAMPLE if is_patched_serializer(serializer, direction) else _WRITTEN_EXAMPLES
    described = serializer.Meta.model if isinstance(serializer, ResourceSerializer) else type(serializer)
    return (type(serializer).__dict__.get("__doc__") or described.__dict__.get("__doc__") or "").strip()
