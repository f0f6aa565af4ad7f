"""How the OpenAPI document describes `sync/`."""

from typing import Any

from drf_spectacular.plumbing import build_array_type, build_basic_type, build_object_type
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from api.schema import ProblemAutoSchema


class SyncSchema(ProblemAutoSchema):
    """A change is one of three, told apart by its `op`; its `data` is the representation of its `type`."""

    def get_tags(self) -> list[str]:
        return ["sync"]

    def get_override_parameters(self) -> list[Any]:
        types = ", ".join(f"`{source.resource}`" for source in self._sources())
        return [
            OpenApiParameter("cursor", str, description="The `next` of the last answer; none for all that you see."),
            OpenApiParameter(
                "types", str, description=f"Some of {types}, separated by commas; all of them by default."
            ),
            OpenApiParameter("page_size", int, description="Changes of an answer, 1 to 200; 200 by default."),
        ]

    def get_response_serializers(self) -> Any:
        sources = self._sources()
        changes = [*map(self._upsert, sources), self._removal([source.resource for source in sources])]
        page = {
            "changes": build_array_type({"oneOf": changes}),
            "next": {"type": "string", "description": "The cursor to go on with, now or later."},
            "has_more": {"type": "boolean", "description": "Whether to ask again at once."},
        }
        return {"200": build_object_type(page, required=list(page))}

    def _sources(self) -> Any:
        return self.view.sources  # type: ignore[attr-defined]  # of SyncViewSet, the one view with this schema

    def _upsert(self, source: Any) -> dict[str, Any]:
        data = self.resolve_serializer(source.serializer_class, "response").ref
        return _change([source.resource], ["upsert"], build_basic_type(OpenApiTypes.INT64), data)

    @staticmethod
    def _removal(types: list[str]) -> dict[str, Any]:
        nothing = {"type": "object", "nullable": True, "enum": [None]}
        return _change(types, ["delete", "revoke"], nothing, nothing)

    def _refusals(self) -> list[tuple[str, str]]:
        gone = "The cursor can't be continued: drop the copy, and start again without one."
        return [*super()._refusals(), ("410", gone)]


def _change(types: list[str], operations: list[str], version: Any, data: Any) -> dict[str, Any]:
    members = {
        "type": {"type": "string", "enum": types},
        "id": build_basic_type(OpenApiTypes.INT64),
        "op": {"type": "string", "enum": operations},
        "version": version,
        "data": data,
    }
    return build_object_type(members, required=list(members))
