"""OpenAPI schemas of this project's own serializer fields, and helpers that build schemas."""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.plumbing import ResolvedComponent, build_basic_type
from drf_spectacular.types import OpenApiTypes

from api.resources.serializers import CanonicalURL, Reference

KEY = {"type": "integer", "format": "int64", "minimum": 1}
LINK = {"type": ["string", "null"], "format": "uri"}


def obj(description: str = "", /, *, optional: dict[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    """Builds the OpenAPI schema of a JSON object.

    The members in `properties` are required, those in `optional` aren't.
    """
    return ({"description": description} if description else {}) | {
        "type": "object",
        "properties": properties | (optional or {}),
        "required": list(properties),
    }


def component(auto_schema: Any, name: str, schema: dict[str, Any]) -> dict[str, str]:
    """Returns a reference to the component `name`. Registers `schema` as this component if the name is new."""
    resolved = ResolvedComponent(name=name, type=ResolvedComponent.SCHEMA, schema=schema, object=name)
    auto_schema.registry.register_on_missing(resolved)
    ref: dict[str, str] = resolved.ref
    return ref


def or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"oneOf": [schema, {"type": "null"}]}


class ReferenceExtension(OpenApiSerializerFieldExtension):
    target_class = Reference

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        model = self.target.parent.Meta.model
        for step in self.target.path.split("__"):
            model = model._meta.get_field(step).related_model
        name = model._meta.object_name
        about = f"Which {model._meta.verbose_name} it is, and what they are called."
        members: dict[str, Any] = {"id": KEY, self.target.key: {"type": "string"}}
        reference = component(auto_schema, f"{name}Reference", obj(about, **members))
        return (or_null(reference) if self.target.nullable else {"allOf": [reference]}) | {"readOnly": True}


class CanonicalURLExtension(OpenApiSerializerFieldExtension):
    target_class = CanonicalURL

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        attributes = {"readOnly": True, "description": "Its address, below all that it belongs to."}
        return (build_basic_type(OpenApiTypes.URI) or {}) | attributes
