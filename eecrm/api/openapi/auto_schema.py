"""drf-spectacular's AutoSchema for this API. It combines the descriptions from the other modules of `api.openapi`."""

import re
from typing import Any

from drf_spectacular.openapi import AutoSchema

from access.permissions import Public
from api.openapi import examples, headers, members, names, parameters, problems, rules
from api.openapi.conditional_schema import add_tags, condition_parameters
from api.openapi.fields import KEY, LINK, component, obj
from api.requests.deprecation import Deprecation, deprecation_of

_JSON = "application/json"


def _action_phrase(resource: str, action: str) -> str:
    return "ask about somebody else" if resource == "access" else action


class ProblemAutoSchema(AutoSchema):
    """Generates the OpenAPI schema of a view, with this API's names, pages, parameters and problem documents."""

    def get_tags(self) -> list[str]:
        """Returns the last collection in the path as the only tag: ["contracts"] for `clients/{client}/contracts/`."""
        return (names.nouns(self.path) or ["catalogue"])[-1:]

    def get_operation_id(self) -> str:
        return names.operation_id(self.path, self._action)

    def get_summary(self) -> str | None:
        return names.operation_summary(self.path, self._action)

    def get_description(self) -> str:  # type: ignore[override]  # the method of drf-spectacular ignores the same error
        """Returns what the operation does, and which roles may do it.

        The roles come from the policy table, so that the rules are stated only once.
        """
        action = getattr(self.view, self._action)
        is_standard = self._is_resource() and not action.__doc__
        paragraphs = [names.about(self._action) if is_standard else super().get_description()]
        if self.view.permission_classes == [Public]:
            return f"{paragraphs[0]} Nobody has to be logged in."
        own, *others = rules.cells_of_view(self.view)
        paragraphs.append(f"Who may: {rules.who_may(*own)}.")
        paragraphs += [
            f"And who may {_action_phrase(resource, action)}: {rules.who_may(resource, action)}."
            for resource, action in others
        ]
        return "\n\n".join(paragraphs)

    def _get_serializer_name(self, serializer: Any, direction: Any, bypass_extensions: bool = False) -> str:
        name = super()._get_serializer_name(serializer, direction, bypass_extensions)
        return names.component_name(name, serializer, direction)

    @property
    def _action(self) -> str:
        """Returns the action of the operation's viewset, such as `list` or `create`.

        All documented views are viewsets.
        """
        return self.view.action  # type: ignore[attr-defined]  # viewsets have this attribute

    def _is_resource(self) -> bool:
        return hasattr(self.view, "parents")

    def _is_list(self) -> bool:
        return self._action == "list" and self.view.permission_classes != [Public]

    def _is_page(self) -> bool:
        return self._is_list() or self._action == "history"

    def _is_list_view(self, serializer: Any = None) -> bool:
        return self._is_page()

    def _is_write(self) -> bool:
        return self.method in ("POST", "PUT", "PATCH", "DELETE")

    def takes_body(self) -> bool:
        return self._is_write() and self._get_request_body() is not None

    def takes_query(self) -> bool:
        return any(parameter["in"] == "query" for parameter in self._get_parameters())

    def reads_rows(self) -> bool:
        """May the operation answer 404, because a row that it reads is missing?

        The path names this row. Or an earlier request with the same `Idempotency-Key` created the row.
        """
        return "{" in self.path or self.is_repeatable()

    def asks_database(self) -> bool:
        return self._action != "list" or self.view.permission_classes != [Public]

    def is_repeatable(self) -> bool:
        """Does the operation support `Idempotency-Key`? Only operations that create a row of a resource support it."""
        return self.method == "POST" and self._is_resource()

    def _get_parameters(self) -> list[dict[str, Any]]:
        """Returns the operation's parameters from the path and `extend_schema`, followed by `_own_parameters`."""
        declared = super()._get_parameters()
        for parameter in declared:
            if examples_of_view := parameter.pop("examples", None):
                parameter["example"] = next(iter(examples_of_view.values()))["value"]
            if parameter["in"] == "path":
                name, schema = parameter["name"], parameter["schema"]
                parameter["description"] = f"The key of the {self._noun(name)}."
                is_uuid = schema.get("format") == "uuid"
                parameter["schema"] = schema if is_uuid else KEY
                parameter["example"] = examples.sample(schema, {}) if is_uuid else examples.of_key(name)
        # A filter that has the name of a path parameter is left out, because the path already fixes its value.
        names_in_use = {parameter["name"] for parameter in declared}
        return [
            *declared,
            *(parameter for parameter in self._own_parameters() if parameter["name"] not in names_in_use),
            parameters.REQUEST_ID_PARAMETER,
        ]

    def _noun(self, name: str) -> str:
        return name if name != "id" else names.singular(names.nouns(self.path)[-1])

    def _own_parameters(self) -> list[dict[str, Any]]:
        if self._is_write():
            reason = [] if self.view.permission_classes == [Public] else [parameters.REASON]
            key = [parameters.KEY_OF_REPEATS] if self.is_repeatable() else []
            return [*reason, *key, *condition_parameters(self.view)]
        if not self._is_page():
            return condition_parameters(self.view)
        if not self._is_list():
            return parameters.PAGE_PARAMETERS
        return parameters.of_list(self.view) if self._is_paged() else []

    def _is_paged(self) -> bool:
        return hasattr(self.view, "ordering_fields")

    def _map_serializer(self, serializer: Any, direction: Any, bypass_extensions: bool = False) -> dict[str, Any]:
        schema: dict[str, Any] = super()._map_serializer(serializer, direction, bypass_extensions)
        return members.complete(schema, serializer, direction)

    def _get_response_for_code(self, serializer: Any, status_code: str, *args: Any, **kwargs: Any) -> Any:
        response = super()._get_response_for_code(serializer, status_code, *args, **kwargs)
        if not self._is_page():
            return response
        rows = response["content"][_JSON]["schema"]
        name = rows["items"]["$ref"].rpartition("/")[2].removesuffix("Read")
        count = {"count": {"type": "integer", "minimum": 0, "description": "With `count=true`.", "examples": [41]}}
        address = f"https://crm.epic.example{re.sub(r'{.+?}', '7', self.path)}?cursor=W2ZhbHNlLDdd"
        is_cut = self._is_list() and self._is_paged()
        following = LINK | {"description": "The next page, if any.", "examples": [address if is_cut else None]}
        previous = LINK | {"description": "The page before it, if any.", "examples": [None]}
        page = obj(next=following, previous=previous, results=rows, optional=count if is_cut else {})
        response["content"][_JSON]["schema"] = component(self, f"{name}Page", page)
        return response

    def refusals(self) -> list[problems.DocumentedProblem]:
        return problems.refusals(self)

    def _get_response_bodies(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        responses = super()._get_response_bodies(*args, **kwargs)
        headers_of_status: dict[str, tuple[str, ...]] = {}
        for refusal in self.refusals():
            responses[str(refusal.status)] = refusal.described()
            headers_of_status[str(refusal.status)] = refusal.headers
        add_tags(self.view, responses)
        if self.is_repeatable():
            headers_of_status["201"] = ("Location", "Idempotency-Replayed")
        for status, response in responses.items():
            references = headers.references(*headers.EVERYWHERE, *headers_of_status.get(status, ()))
            response["headers"] = response.get("headers", {}) | references
            if status < "300":
                response["description"] = names.outcome(self._action, status)
        if deprecation := deprecation_of(self.view, self.method):
            _announce(deprecation, responses)
        return dict(sorted(responses.items()))

    def is_deprecated(self) -> bool:
        return deprecation_of(self.view, self.method) is not None


def _announce(deprecation: Deprecation, responses: dict[str, Any]) -> None:
    """Adds the deprecation headers to all responses of a deprecated operation.

    Error responses of this operation aren't shared with other operations, because other operations lack these headers.
    """
    for response in responses.values():
        response["headers"] |= deprecation.described()
        response.update({"x-name": ""} if "x-name" in response else {})
