"""Examples of bodies, put together from those of their members.

A serializer gives them, in its Meta where it has one: `told` has a sentence and a value for each field that needs them, and
`patch` is the change that a PATCH makes, with `effect` on other members.
"""

from typing import Any

_MOMENT = "2027-03-01T09:30:00Z"
_BY_TYPE = {"integer": 7, "boolean": True, "string": "text", "null": None}
_BY_FORMAT = {
    "date-time": _MOMENT,
    "date": "2027-05-01",
    "uri": "https://crm.epic.example/api/v1/clients/7/",
    "uuid": "3f0b3c1e-7a55-4c5e-9d52-0c9c5a7f1f10",
    "email": "camille@maison-lumiere.example",
}


def of_serializer(serializer: Any, name: str) -> Any:
    """What a serializer tells of itself, in its Meta where it has one."""
    return getattr(getattr(serializer, "Meta", serializer), name, {})


def sample(schema: dict[str, Any], components: dict[str, Any]) -> Any:
    """A value that fits the schema: made of the examples in it."""
    match schema:
        case {"example": value} | {"examples": [value, *_]} | {"const": value}:
            return value
        case {"$ref": ref}:
            return sample(components[ref.rpartition("/")[2]], components)
        case {"allOf": [one]}:
            return sample(one, components)
        case {"oneOf": options}:
            return sample(options[0], components)
        case {"enum": [value, *_]}:
            return value
        case {"type": "array", "items": items}:
            return [sample(items, components)]
        case {"type": "object"}:
            # What is only written are keys of rows that the reader's own database may not have.
            members = schema.get("properties", {}).items()
            return {name: sample(one, components) for name, one in members if not one.get("writeOnly")}
        case {"format": name} if name in _BY_FORMAT:
            return _BY_FORMAT[name]
    kind = schema.get("type", "string")
    return _BY_TYPE[kind if isinstance(kind, str) else kind[0]]
