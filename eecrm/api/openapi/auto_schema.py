"""How drf-spectacular reads this API. What the document says is in `api.openapi`; this says where it says what."""

import re
from typing import Any

from drf_spectacular.openapi import AutoSchema

from access.permissions import Public
from api.openapi import examples, headers, members, names, parameters, problems, rules
from api.openapi.conditional_schema import add_tags, condition_parameters
from api.openapi.fields import KEY, LINK, component, obj
from api.requests.deprecation import Deprecation, deprecation_of

_JSON = "application/json"
_PATH_EXAMPLES = {"client": 7, "contract": 21, "id": 7}


def _word(resource: str, action: str) -> str:
    return "ask about somebody else" if resource == "access" else action


class ProblemAutoSchema(AutoSchema):
    """drf-spectacular's schema of a view, with this API's names, pages, parameters and problem documents."""

    def get_tags(self) -> list[str]:
        """The noun at the end of the path."""
        return (names.nouns(self.path) or ["catalogue"])[-1:]

    def get_operation_id(self) -> str:
        return names.operation_id(self.path, self._action)

    def get_summary(self) -> str | None:
        return names.operation_summary(self.path, self._action)

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular overrides it
        """What it does, and who may: in the words of the policy table, so that it is stated once."""
        action = getattr(self.view, self._action)
        told = [names.about(self._action) if self._is_resource() and not action.__doc__ else super().get_description()]
        if self.view.permission_classes == [Public]:
            return f"{told[0]} Nobody has to be logged in."
        own, *others = rules.cells_of_view(self.view)
        told.append(f"Who may: {rules.who_may(*own)}.")
        told += [
            f"And who may {_word(resource, action)}: {rules.who_may(resource, action)}." for resource, action in others
        ]
        return "\n\n".join(told)

    def _get_serializer_name(self, serializer: Any, direction: Any, bypass_extensions: bool = False) -> str:
        name = super()._get_serializer_name(serializer, direction, bypass_extensions)
        return names.component_name(name, serializer, direction)

    @property
    def _action(self) -> str:
        """`list`, `create` and so on: every view with a place in the document is a viewset's."""
        return self.view.action  # type: ignore[attr-defined]  # as above

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
        return any(one["in"] == "query" for one in self._get_parameters())

    def reads_rows(self) -> bool:
        """Whether the path, or the first answer to a key, names a row that may be out of sight."""
        return "{" in self.path or self.is_repeatable()

    def asks_database(self) -> bool:
        return self._action != "list" or self.view.permission_classes != [Public]

    def is_repeatable(self) -> bool:
        """Whether it heeds `Idempotency-Key`: what creates a row of a resource. A login and the like ignore it."""
        return self.method == "POST" and self._is_resource()

    def _get_parameters(self) -> list[dict[str, Any]]:
        """Those that a view gives with `extend_schema` among them, and those of the path."""
        found = super()._get_parameters()
        for one in found:
            if examples_of_view := one.pop("examples", None):
                one["example"] = next(iter(examples_of_view.values()))["value"]
            if one["in"] == "path":
                one["description"] = f"The key of the {self._noun(one['name'])}."
                is_uuid = one["schema"].get("format") == "uuid"
                one["schema"] = one["schema"] if is_uuid else KEY
                one["example"] = examples.sample(one["schema"], {}) if is_uuid else _PATH_EXAMPLES[one["name"]]
        # A filter that the path has decided already would be a second parameter of the same name.
        named = {one["name"] for one in found}
        return [
            *found,
            *(one for one in self._own_parameters() if one["name"] not in named),
            parameters.REQUEST_ID_PARAMETER,
        ]

    def _noun(self, name: str) -> str:
        return name if name != "id" else names.nouns(self.path)[-1].removesuffix("s")

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
        told: dict[str, tuple[str, ...]] = {}
        for refusal in self.refusals():
            responses[str(refusal.status)] = refusal.described()
            told[str(refusal.status)] = refusal.headers
        add_tags(self.view, responses)
        if self.is_repeatable():
            told["201"] = ("Location", "Idempotency-Replayed")
        for status, response in responses.items():
            mine = headers.references(*headers.EVERYWHERE, *told.get(status, ()))
            response["headers"] = response.get("headers", {}) | mine
            if status < "300":
                response["description"] = names.outcome(self._action, status)
        if deprecation := deprecation_of(self.view, self.method):
            _announce(deprecation, responses)
        return dict(sorted(responses.items()))

    def is_deprecated(self) -> bool:
        return deprecation_of(self.view, self.method) is not None


def _announce(deprecation: Deprecation, responses: dict[str, Any]) -> None:
    """Refusals that others share have no such headers: these stay by themselves."""
    for response in responses.values():
        response["headers"] |= deprecation.described()
        response.update({"x-name": ""} if "x-name" in response else {})
