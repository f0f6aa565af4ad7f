"""drf-spectacular's last hook: what operations share is stated once, and every body has an example."""

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
    """The document as it is committed and served: the same text on every machine. Once made, which takes a second, it stays."""
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
        _exemplify(operation, components["schemas"])
        _name_rules(operation["responses"], components["examples"])
    for schema in components["schemas"].values():
        schema.pop("x-effect", None)
    _share(operations, components["responses"])
    components["examples"] = dict(sorted(components["examples"].items()))
    components["responses"] = dict(sorted(components["responses"].items()))
    return result


def _exemplify(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    asked = operation.get("requestBody", {})
    for body in (asked, *operation["responses"].values()):
        for media in body.get("content", {}).values():
            if "examples" not in media:
                media["example"] = sample(media["schema"], schemas)
    for media in asked.get("content", {}).values():
        effect = schemas[media["schema"]["$ref"].rpartition("/")[2]].get("x-effect", {})
        if effect:
            answer = operation["responses"]["200"]["content"]["application/json"]
            answer["example"] |= effect | ({"version": 2} if "version" in answer["example"] else {})


def _name_rules(responses: dict[str, Any], examples: dict[str, Any]) -> None:
    """Each rule has one example, wherever it refuses something."""
    for status in {"403", "409"} & responses.keys():
        told = responses[status]["content"]["application/problem+json"]["examples"]
        examples |= told
        for rule in told:
            told[rule] = {"$ref": f"#/components/examples/{rule}"}


def _share(operations: list[dict[str, Any]], shared: dict[str, Any]) -> None:
    """Refusals in the same words become components: `NotFound`, `TooManyRequests`."""
    refusals = [(one["responses"], status) for one in operations for status in one["responses"] if status >= "400"]
    same = Counter(orjson.dumps(responses[status]) for responses, status in refusals)
    for responses, status in refusals:
        times = same[orjson.dumps(responses[status])]
        name = responses[status].pop("x-name")
        if name and times > 1:
            shared[name] = responses[status]
            responses[status] = {"$ref": f"#/components/responses/{name}"}
