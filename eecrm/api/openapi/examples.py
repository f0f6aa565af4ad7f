"""Builds the example of a request or response body from the examples of the body's members.

A serializer declares examples in its Meta or, without a Meta, as class attributes:
- `field_docs` maps a field to its description and example;
- `patch` is the example of a PATCH body;
- `effect` has further members that the PATCH of `patch` changes. For example, `{"status": "signed"}` also sets
  `signed_at`.
"""

from typing import Any

from api.resources.registry import viewsets

_TIMESTAMP = "2027-03-01T09:30:00Z"
_BY_TYPE: dict[str, Any] = {"integer": 7, "boolean": True, "string": "text", "null": None}
_BY_FORMAT = {
    "date-time": _TIMESTAMP,
    "date": "2027-05-01",
    "uri": "https://crm.epic.example/api/v1/clients/7/",
    "uuid": "3f0b3c1e-7a55-4c5e-9d52-0c9c5a7f1f10",
    "email": "camille@maison-lumiere.example",
}


def of_serializer(serializer: Any, name: str) -> Any:
    """Returns the attribute with this name, such as `field_docs`, of a serializer's Meta; {} if it is missing.

    If the serializer has no Meta, the attribute is that of the serializer itself.
    """
    return getattr(getattr(serializer, "Meta", serializer), name, {})


def of_key(name: str) -> int:
    """Returns an example of a row's id for a path.

    The example is that of the resource `name`, or 7 if no resource has this name.
    """
    viewset = viewsets().get(name)
    return int(of_serializer(viewset.serializer_class, "field_docs")["id"][1]) if viewset else _BY_TYPE["integer"]


def sample(schema: dict[str, Any], components: dict[str, Any]) -> Any:
    """Builds an example value for an OpenAPI schema from the examples inside this schema."""
    match schema:
        case {"example": value} | {"examples": [value, *_]} | {"const": value}:
            return value
        case {"$ref": ref}:
            return sample(components[ref.rpartition("/")[2]], components)
        case {"allOf": [only]}:
            return sample(only, components)
        case {"oneOf": options}:
            return sample(options[0], components)
        case {"enum": [value, *_]}:
            return value
        case {"type": "array", "items": items}:
            return [sample(items, components)]
        case {"type": "object"}:
            # Write-only members, such as `sales_contact_id`, are left out.
            # Write-only members are ids, and the reader's database may have no row with this id.
            members = schema.get("properties", {}).items()
            return {name: sample(member, components) for name, member in members if not member.get("writeOnly")}
        case {"format": name} if name in _BY_FORMAT:
            return _BY_FORMAT[name]
    kind = schema.get("type", "string")
    return _BY_TYPE[kind if isinstance(kind, str) else kind[0]]
