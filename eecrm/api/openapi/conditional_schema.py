"""OpenAPI description of conditional requests: `If-Match`, `If-None-Match`, ETag and 304."""

from typing import Any

from api.openapi.headers import references
from api.openapi.parameters import IN_HEADER, parameter
from api.resources.views import ResourceViewSet

_ITEM_ACTIONS = ("retrieve", "update", "partial_update", "destroy")
_TAG = '"4-5c1e0f2ab3d49786"'

_IF_MATCH = parameter(
    "If-Match", {"type": "string"},
    "Go on only where the object is still this one: its ETag, several with commas between, or `*`. Else 412. "
    "Weak tags and bare versions match nothing.",
    _TAG, location=IN_HEADER,
)  # fmt: skip
_IF_NONE_MATCH = parameter(
    "If-None-Match", {"type": "string"},
    "The ETag of what the caller has, several with commas between, or `*`: 304 where that is still so.",
    _TAG, location=IN_HEADER,
)  # fmt: skip


def _is_about_an_object(view: Any) -> bool:
    return isinstance(view, ResourceViewSet) and view.action in (*_ITEM_ACTIONS, "create")


def condition_parameters(view: Any) -> list[dict[str, Any]]:
    if not _is_about_an_object(view) or view.action == "create":
        return []
    return [_IF_MATCH, _IF_NONE_MATCH] if view.action == "retrieve" else [_IF_MATCH]


def add_tags(view: Any, responses: dict[str, Any]) -> None:
    """Describes the ETag header in an operation's responses. For reads, also adds the response 304."""
    if not _is_about_an_object(view):
        return
    if view.action == "retrieve":
        responses["304"] = {"description": "The caller has just this already."}
    for status in {"200", "201", "304", "412"} & set(responses):
        responses[status]["headers"] = responses[status].get("headers", {}) | references("ETag")
