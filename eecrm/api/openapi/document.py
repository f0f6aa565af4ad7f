"""drf-spectacular's postprocessing hook: it adds examples to bodies and turns repeated responses into components."""

from collections import Counter
from functools import cache
from typing import Any

import orjson
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer

from api.openapi.examples import sample
from api.openapi.headers import HEADERS
from api.openapi.problems import SCHEMAS


@cache
def rendered_document() -> str:
    """Returns the OpenAPI document as YAML, the same text on every machine.

    It is cached because generating it takes a second.
    """
    document = SchemaGenerator().get_schema(request=None, public=True)
    return OpenApiYamlRenderer().render(document, renderer_context={}).decode()


def finish(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    components = result["components"]
    components["schemas"] = dict(sorted((components["schemas"] | SCHEMAS).items()))
    components["headers"] = HEADERS
    components["examples"] = {}
    components["responses"] = {}
    operations = [operation for item in result["paths"].values() for operation in item.values()]
    for operation in operations:
        _add_examples(operation, components["schemas"])
        _share_examples(operation["responses"], components["examples"])
    for schema in components["schemas"].values():
        schema.pop("x-effect", None)
    _share_refusals(operations, components["responses"])
    components["examples"] = dict(sorted(components["examples"].items()))
    components["responses"] = dict(sorted(components["responses"].items()))
    return result


def _add_examples(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    request_body = operation.get("requestBody", {})
    for body in (request_body, *operation["responses"].values()):
        for media in body.get("content", {}).values():
            if "examples" not in media:
                media["example"] = sample(media["schema"], schemas)
    for media in request_body.get("content", {}).values():
        effect = schemas[media["schema"]["$ref"].rpartition("/")[2]].get("x-effect", {})
        if effect:
            answer = operation["responses"]["200"]["content"]["application/json"]
            answer["example"] |= effect | ({"version": 2} if "version" in answer["example"] else {})


def _share_examples(responses: dict[str, Any], examples: dict[str, Any]) -> None:
    """Moves the example of each rule to the components, because many operations refer to the same rule."""
    for status in {"403", "409"} & responses.keys():
        examples_of_status = responses[status]["content"]["application/problem+json"]["examples"]
        examples |= examples_of_status
        for rule in examples_of_status:
            examples_of_status[rule] = {"$ref": f"#/components/examples/{rule}"}


def _share_refusals(operations: list[dict[str, Any]], shared: dict[str, Any]) -> None:
    """Turns equal refusals of several operations into components such as `NotFound` and `TooManyRequests`."""
    refusals = [
        (operation["responses"], status)
        for operation in operations
        for status in operation["responses"]
        if status >= "400"
    ]
    counts = Counter(orjson.dumps(responses[status]) for responses, status in refusals)
    for responses, status in refusals:
        count = counts[orjson.dumps(responses[status])]
        name = responses[status].pop("x-name")
        if name and count > 1:
            shared[name] = responses[status]
            responses[status] = {"$ref": f"#/components/responses/{name}"}
