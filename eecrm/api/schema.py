"""How drf-spectacular reads this API: its pages, its parameters and its problem documents."""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import build_array_type, build_basic_type, build_object_type
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from access.permissions import Public
from api import idempotency
from api.conditional_schema import add_tags, condition_parameters, condition_refusals
from api.deprecation import deprecation_of
from api.serializers import CanonicalURL, Reference

_STRING = build_basic_type(OpenApiTypes.STR)
_KEY = build_basic_type(OpenApiTypes.INT64)

_PROBLEM = {
    "type": "object",
    "description": (
        "RFC 9457. `errors` comes with a 400, `rule` with a 403 and a 409, `version` and `changed` with a 412: the present "
        "version, and the fields that differ from the version that If-Match names (null where nobody can tell)."
    ),
    "properties": {
        "type": _STRING,
        "title": _STRING,
        "status": build_basic_type(OpenApiTypes.INT),
        "detail": _STRING,
        "code": _STRING,
        "request_id": _STRING,
        "rule": _STRING,
        "version": _KEY,
        "changed": {"type": "array", "items": _STRING, "nullable": True},
        "errors": build_array_type(build_object_type({"pointer": _STRING, "code": _STRING, "detail": _STRING})),
    },
    "required": ["type", "title", "status", "detail", "code", "request_id"],
}

_RATE_LIMIT = {
    "RateLimit-Policy": {"description": "The limit that applies: `q` requests in `w` seconds.", "schema": _STRING},
    "RateLimit": {"description": "`r` requests are left; `t` seconds until all are there again.", "schema": _STRING},
}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": build_basic_type(OpenApiTypes.INT)}}

_REASON = OpenApiParameter(
    "X-Change-Reason",
    str,
    OpenApiParameter.HEADER,
    description="Why: a line of text in UTF-8, for the trail. Whoever reopens a contract or an event must say.",
)
_KEY_OF_REPEATS = OpenApiParameter(
    idempotency.HEADER,
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    OpenApiParameter.HEADER,
    description=(
        "Makes it safe to repeat: one new key (such as a UUID) for each thing that you create. For "
        f"{idempotency.DAYS} days the same key, path and body get the first answer again, and nothing is created twice. "
        "A refused request may be sent again with its key."
    ),
)
_REPLAYED = {
    idempotency.REPLAYED: {
        "description": "`true` when this is the first answer again, as it was then.",
        "schema": {"type": "string", "enum": ["true"]},
    }
}
_PAGE_PARAMETERS = (
    OpenApiParameter("page_size", int, description="Rows of a page, 1 to 200; 50 by default."),
    OpenApiParameter(
        "cursor", str, description="Where the page begins: from `next` or `previous`, never made by hand."
    ),
)
_LIST_PARAMETERS = (
    *_PAGE_PARAMETERS,
    OpenApiParameter("ordering", str, description="Fields, separated by commas; a minus sign turns one round."),
    OpenApiParameter("count", bool, description="Whether the answer counts all rows."),
)


class ReferenceExtension(OpenApiSerializerFieldExtension):
    target_class = Reference

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        schema = build_object_type({"id": _KEY, self.target.key: _STRING}, required=["id", self.target.key])
        return schema | ({"nullable": True} if self.target.nullable else {})


class CanonicalURLExtension(OpenApiSerializerFieldExtension):
    target_class = CanonicalURL

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        return build_basic_type(OpenApiTypes.URI) or {}


class ProblemAutoSchema(AutoSchema):
    """drf-spectacular's schema of a view, with this API's pages, list parameters and problem documents."""

    def get_tags(self) -> list[str]:
        """The noun at the end of the path; everything about accounts is under *users*."""
        steps = self.path.removeprefix("/api/v1/").removesuffix("/history/").removesuffix("/access/").split("/")
        nouns = [step for step in steps if step and not step.startswith("{")]
        return ["users" if "users" in nouns else nouns[-1] if nouns else "catalogue"]

    def _is_list(self) -> bool:
        return getattr(self.view, "action", None) == "list" and self.view.permission_classes != [Public]

    def _is_page(self) -> bool:
        return self._is_list() or getattr(self.view, "action", None) == "history"

    def _is_list_view(self, serializer: Any = None) -> bool:
        return self._is_page()

    def _is_write(self) -> bool:
        return self.method in ("POST", "PUT", "PATCH", "DELETE")

    def _is_repeatable(self) -> bool:
        """Whether it heeds `Idempotency-Key`: what creates a row of a resource. A login and the like ignore it."""
        return self.method == "POST" and hasattr(self.view, "parents")

    def get_override_parameters(self) -> list[Any]:
        if self._is_repeatable():
            return [_REASON, _KEY_OF_REPEATS]
        if self._is_write():
            return [] if self.view.permission_classes == [Public] else [_REASON, *condition_parameters(self.view)]
        if not self._is_list():
            return list(_PAGE_PARAMETERS) if self._is_page() else condition_parameters(self.view)
        if not hasattr(self.view, "filterset_class"):
            return list(_LIST_PARAMETERS)
        search = OpenApiParameter("search", str, description="Words, each of which begins a word of the row.")
        filters = [
            OpenApiParameter(name, str, description=(type(one).__doc__ or "").split("\n")[0] or one.lookup_expr)
            for name, one in self.view.filterset_class.base_filters.items()
        ]
        return [*_LIST_PARAMETERS, search, *filters]

    def _get_response_for_code(self, serializer: Any, status_code: str, *args: Any, **kwargs: Any) -> Any:
        response = super()._get_response_for_code(serializer, status_code, *args, **kwargs)
        if not self._is_page():
            return response
        content = response["content"]["application/json"]
        link = {"type": "string", "format": "uri", "nullable": True}
        count = {"count": build_basic_type(OpenApiTypes.INT)} if self._is_list() else {}
        content["schema"] = build_object_type(
            {"next": link, "previous": link, **count, "results": content["schema"]},
            required=["next", "previous", "results"],
        )
        return response

    def _get_response_bodies(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        responses = super()._get_response_bodies(*args, **kwargs)
        for status, meaning in self._refusals():
            responses[status] = {
                "description": meaning,
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }
        add_tags(self.view, responses)
        for status, response in responses.items():
            waits = _RETRY_AFTER if status == "429" else {}
            replayed = _REPLAYED if status == "201" and self._is_repeatable() else {}
            response["headers"] = response.get("headers", {}) | _RATE_LIMIT | waits | replayed | self._announced()
        return responses

    def is_deprecated(self) -> bool:
        return deprecation_of(self.view, self.method) is not None

    def _announced(self) -> dict[str, Any]:
        deprecation = deprecation_of(self.view, self.method)
        return deprecation.described() if deprecation else {}

    def _refusals(self) -> list[tuple[str, str]]:
        is_write = self._is_write()
        found = [("429", "Too many requests: wait.")]
        if self.view.permission_classes == [Public] and not is_write:
            return found
        found += [("400", "Not acceptable: `errors` tells where."), ("401", "Not logged in.")]
        if self.view.permission_classes != [Public]:
            found.append(("403", "Not allowed: `rule` tells why."))
        if "{" in self.path:
            found.append(("404", "Missing, or invisible to the caller."))
        if is_write and "users/" not in self.path:
            found.append(("409", "Allowed, but not in this state, or a duplicate: `rule` tells which."))
        if self._is_repeatable():
            found.append(("422", f"The {idempotency.HEADER} was used for another path or body."))
        return found + condition_refusals(self.view)


def add_problem(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A hook of drf-spectacular: the component that every refusal refers to."""
    result["components"]["schemas"]["Problem"] = _PROBLEM
    return result
