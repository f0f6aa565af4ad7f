"""Adds descriptions, examples and constraints to body schemas, because drf-spectacular can't derive them all."""

from typing import Any

from drf_spectacular.plumbing import is_patched_serializer

from access.masks import personal
from api.openapi.examples import of_serializer
from api.resources.serializers import ResourceSerializer, StrictSerializer

_WRITE_DESCRIPTION = "What POST and PUT take."
_PATCH_DESCRIPTION = "What PATCH takes: any of these."


def complete(schema: dict[str, Any], serializer: Any, direction: str) -> dict[str, Any]:
    """Adds descriptions, examples and constraints to a serializer's schema. `direction` is "request" or "response"."""
    properties = schema.get("properties", {})
    for name, (about, value) in of_serializer(serializer, "field_docs").items():
        if name in properties:
            properties[name] = _with_documentation(properties[name], about, value)
    for name, member in properties.items():
        _refine(member, name)
        if member.get("format") == "decimal":
            member["pattern"] = _decimal_pattern(serializer.fields[name], direction)
        if (
            direction == "response"
            and isinstance(serializer, ResourceSerializer)
            and name in personal(serializer.Meta.model)
        ):
            member.pop("format", None)  # a masked email address isn't a valid email address
    schema.pop("description", None)  # drops drf-spectacular's description, which may be the docstring of a parent class
    if about := _body_description(serializer, direction):
        schema["description"] = about
    if direction == "response":
        schema["required"] = list(properties)
    if is_patched_serializer(serializer, direction):
        change = of_serializer(serializer, "patch")
        schema |= {"examples": [change], "x-effect": change | of_serializer(serializer, "effect")}
    if direction == "request" and isinstance(serializer, StrictSerializer):
        schema["additionalProperties"] = False
    return schema


def _decimal_pattern(field: Any, direction: str) -> str:
    """Returns the pattern of a decimal number. A request may leave out decimal places, an answer has all of them."""
    sign = "" if field.min_value is not None and field.min_value >= 0 else "-?"
    places = field.decimal_places
    fraction = (
        {"request": rf"(\.[0-9]{{1,{places}}})?", "response": rf"\.[0-9]{{{places}}}"}[direction] if places else ""
    )
    return rf"^{sign}[0-9]{{1,{field.max_digits - places}}}{fraction}$"


def _refine(member: dict[str, Any], name: str) -> None:
    """Corrects a member's schema in place: ids, versions, and email addresses that may be empty."""
    if member.get("oneOf", [{}])[0].get("format") == "email":
        # The format "email" is removed, because the API also accepts empty addresses and letters beyond ASCII.
        member |= member.pop("oneOf")[0]
        member.pop("format")
    if member.get("format") == "email" and member.get("readOnly"):
        member.pop("format")  # an account may have no email address
    if "integer" in member.get("type", ()) and (name in ("id", "version") or name.endswith("_id")):
        member |= {"format": "int64", "minimum": 1}


def _with_documentation(schema: dict[str, Any], about: str, value: Any) -> dict[str, Any]:
    """Adds a description and an example to a member's schema.

    drf-spectacular writes an enum's values at the end of the description, and later moves these values to the enum.
    So the values must stay at the end.
    """
    values = schema.get("description", "") if schema.get("description", "").startswith("*") else ""
    description = "\n\n".join(text for text in (about, values) if text)
    return schema | ({"description": description} if description else {}) | {"examples": [value]}


def _body_description(serializer: Any, direction: str) -> str:
    if direction == "request" and isinstance(serializer, ResourceSerializer):
        return _PATCH_DESCRIPTION if is_patched_serializer(serializer, direction) else _WRITE_DESCRIPTION
    described = serializer.Meta.model if isinstance(serializer, ResourceSerializer) else type(serializer)
    return (type(serializer).__dict__.get("__doc__") or described.__dict__.get("__doc__") or "").strip()
