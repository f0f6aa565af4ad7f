"""Hooks that drf-spectacular calls after it has generated the OpenAPI document.

The hooks name enums after the resources, add examples to bodies and turn repeated responses into components.
"""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

import orjson
from django.db.models import TextChoices
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.hooks import postprocess_schema_enums
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.settings import patched_settings, spectacular_settings

from api.openapi.examples import sample
from api.openapi.headers import HEADERS
from api.openapi.problems import SCHEMAS
from api.resources.registry import collection_of, model_of, viewsets

_TAG_AFTER = "sync"  # the tags of the resources are inserted before this tag


@cache
def rendered_document() -> str:
    """Returns the OpenAPI document as YAML, the same text on every machine.

    The result is cached because generating the document takes a second.
    """
    document = SchemaGenerator().get_schema(request=None, public=True)
    return OpenApiYamlRenderer().render(document, renderer_context={}).decode()


def name_enums(result: dict[str, Any], generator: Any, **kwargs: Any) -> dict[str, Any]:
    """Turns enums into named components. The enum `Status` of the model `Client` becomes `ClientStatus`."""
    names = spectacular_settings.ENUM_NAME_OVERRIDES
    with patched_settings({"ENUM_NAME_OVERRIDES": names | _enums_of_resources(names.values())}):
        named: dict[str, Any] = postprocess_schema_enums(result, generator, **kwargs)
    return named


def _enums_of_resources(named_elsewhere: Iterable[Any]) -> dict[str, type[TextChoices]]:
    models = [model_of(viewset) for viewset in viewsets().values()]
    enums = [(model, one) for model in models for one in vars(model).values() if _is_enum(one)]
    return {
        f"{model.__name__}{one.__name__}": one
        for model, one in enums
        if f"{one.__module__}.{one.__qualname__}" not in named_elsewhere
    }


def _is_enum(attribute: Any) -> bool:
    return isinstance(attribute, type) and issubclass(attribute, TextChoices)


def _tags(others: list[dict[str, str]]) -> list[dict[str, str]]:
    """Adds a tag for each resource to the other tags.

    A tag's description is the first line of the viewset's docstring.
    """
    of_resources = [
        {"name": collection_of(viewset), "description": (viewset.__doc__ or "").strip().partition("\n")[0]}
        for viewset in viewsets().values()
    ]
    place = [tag["name"] for tag in others].index(_TAG_AFTER)
    return [*others[:place], *of_resources, *others[place:]]


def finish(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    result["tags"] = _tags(result["tags"])
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
    """Moves the examples of an operation's answers 403 and 409 to the shared components.

    There is one example for each rule that can refuse the operation. Many operations have the same rules.
    """
    for status in {"403", "409"} & responses.keys():
        examples_of_status = responses[status]["content"]["application/problem+json"]["examples"]
        examples |= examples_of_status
        for rule in examples_of_status:
            examples_of_status[rule] = {"$ref": f"#/components/examples/{rule}"}


def _share_refusals(operations: list[dict[str, Any]], shared: dict[str, Any]) -> None:
    """Turns error responses that several operations share into components such as `NotFound` and `TooManyRequests`."""
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
