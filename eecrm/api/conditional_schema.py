"""Conditional requests as the OpenAPI document describes them: of each operation on one object."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter

from api.views import ResourceViewSet

_ITEM_ACTIONS = ("retrieve", "update", "partial_update", "destroy")

_IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description=(
        "Go on only where the object is at this version: its ETag, several with commas between, or `*`. Else 412. "
        "Weak tags match nothing."
    ),
)
_IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag of what the caller has, several with commas between, or `*`: 304 where that is still so.",
)
_ETAG = {
    "ETag": {
        "description": 'A strong tag of just this answer, `"<version>-<digest>"`, for If-Match and If-None-Match.',
        "schema": {"type": "string"},
        "required": True,
    }
}


def _is_about_an_object(view: Any) -> bool:
    return isinstance(view, ResourceViewSet) and view.action in (*_ITEM_ACTIONS, "create")


def condition_parameters(view: Any) -> list[OpenApiParameter]:
    if not _is_about_an_object(view) or view.action == "create":
        return []
    return [_IF_MATCH, _IF_NONE_MATCH] if view.action == "retrieve" else [_IF_MATCH]


def condition_refusals(view: Any) -> list[tuple[str, str]]:
    if not condition_parameters(view):
        return []
    return [("412", "Not at the version that If-Match names: `version` and `changed` tell what is there instead.")]


def add_tags(view: Any, responses: dict[str, Any]) -> None:
    """The ETag of each answer that has one, and the answer to whoever has just this."""
    if not _is_about_an_object(view):
        return
    if view.action == "retrieve":
        responses["304"] = {"description": "The caller has just this already."}
    for status in {"200", "201", "304", "412"} & set(responses):
        responses[status]["headers"] = responses[status].get("headers", {}) | _ETAG
