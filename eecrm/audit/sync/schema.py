"""OpenAPI description of the endpoint `sync/`, which API clients with offline copies read."""

from typing import Any

from api.openapi.auto_schema import ProblemAutoSchema
from api.openapi.fields import KEY, component, obj
from api.openapi.parameters import parameter
from api.openapi.problems import DocumentedProblem, example
from api.resources.pagination import MAX_PAGE_SIZE

_CURSOR = "WyIyZDhjIl0:1vM2Xy:signature"
_ETAG = {
    "type": "string",
    "description": "The `ETag` of the object, for `If-Match` and `If-None-Match`.",
    "examples": ['"4-5c1e0f2ab3d49786"'],
}
_GONE = example(
    410, "cursor_expired", "This cursor is older than 30 days: drop the copy, and start again without a cursor."
)


class SyncSchema(ProblemAutoSchema):
    """Describes the four kinds of changes in `sync/`: an upsert of a client, contract or event, and a removal.

    An upsert is a new or changed row. `type` and `op` tell the kind of a change. `data` of an upsert is the
    representation of its `type`.
    """

    def get_operation_id(self) -> str:
        return "sync_changes"

    def get_summary(self) -> str:
        return "Follow what one sees"

    def _own_parameters(self) -> list[dict[str, Any]]:
        names = [source.resource for source in self._sources()]
        any_type = f"({'|'.join(names)})"
        return [
            parameter(
                "cursor", {"type": "string"}, "The `next` of the last answer; none for all that you see.",
                _CURSOR,
            ),
            parameter(
                "types", {"type": "string", "pattern": f"^{any_type}(,{any_type})*$"},
                f"Some of {', '.join(f'`{name}`' for name in names)}, separated by commas; all of them by default.",
                ",".join(names[:2]),
            ),
            parameter(
                "page_size", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": MAX_PAGE_SIZE},
                "Changes of an answer.", 100,
            ),
        ]  # fmt: skip

    def get_response_serializers(self) -> Any:
        sources = self._sources()
        options = [*map(self._upsert, sources), self._removal([source.resource for source in sources])]
        change = component(self, "SyncChange", {"oneOf": options})
        page = obj(
            changes={"type": "array", "items": change},
            next={"type": "string", "description": "The cursor to go on with, now or later.", "examples": [_CURSOR]},
            has_more={"type": "boolean", "description": "Whether to ask again at once."},
        )
        return {"200": component(self, "SyncPage", page)}

    def refusals(self) -> list[DocumentedProblem]:
        gone = "The cursor can't be continued: drop the copy, and start again without one."
        return [*super().refusals(), DocumentedProblem(410, "CursorExpired", gone, {"expired": _GONE})]

    def _sources(self) -> Any:
        return self.view.sources  # type: ignore[attr-defined]  # only SyncViewSet has this schema, and it has `sources`

    def _upsert(self, source: Any) -> dict[str, Any]:
        data = self.resolve_serializer(source.serializer_class, "response").ref
        name = data["$ref"].rpartition("/")[2].removesuffix("Read")
        about = f"A {source.resource} that is new, changed, or in sight now."
        kind, operation = _constant(source.resource), _constant("upsert")
        return component(
            self, f"{name}Upsert", obj(about, type=kind, id=KEY, op=operation, version=KEY, etag=_ETAG, data=data)
        )

    def _removal(self, types: list[str]) -> dict[str, Any]:
        about = "Something that was deleted, or is out of the caller's sight (`revoke`): drop it from the copy."
        kind, operation = ({"type": "string", "enum": names} for names in (types, ["delete", "revoke"]))
        nothing = {"type": "null"}
        return component(
            self, "Removal", obj(about, type=kind, id=KEY, op=operation, version=nothing, etag=nothing, data=nothing)
        )


def _constant(word: str) -> dict[str, Any]:
    return {"type": "string", "const": word}
