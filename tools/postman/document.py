"""Reads the operations of the API, with their parameters, examples and answers, from the OpenAPI document."""

import json
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any

import yaml
from own_server import ROOT

PATH = ROOT / "docs" / "openapi.yaml"
PREFIX = "/api/v1"
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Answer:
    """An example of an answer. If a rule refuses the request, `name` is the rule's name, else the example's name."""

    status: int
    name: str
    body: Any
    content_type: str
    header_names: tuple[str, ...]

    @property
    def phrase(self) -> str:
        return HTTPStatus(self.status).phrase


@dataclass(frozen=True)
class Operation:
    """An operation of the API. `path` is the path below /api/v1/, such as `clients/{id}/`; "" for the API's root."""

    method: str
    path: str
    source: dict[str, Any]
    document: "Document"

    @property
    def summary(self) -> str:
        return str(self.source.get("summary") or self.source["operationId"])

    @property
    def description(self) -> str:
        return str(self.source.get("description", ""))

    @property
    def tag(self) -> str:
        return str(self.source["tags"][0])

    @property
    def noun(self) -> str:
        """The resource of the row in the path: `client` for `clients/{id}/`; "" for a path without `{id}`."""
        collection = self.path.partition("/{id}")[0].rpartition("/")[2] if "/{id}" in self.path else ""
        return f"{collection[:-3]}y" if collection.endswith("ies") else collection.removesuffix("s")

    @property
    def is_public(self) -> bool:
        return not self.source.get("security", [{}])[0]

    def parameters(self, place: str) -> list[dict[str, Any]]:
        parameters = map(self.document.resolve, self.source.get("parameters", ()))
        return [parameter for parameter in parameters if parameter["in"] == place]

    @property
    def body(self) -> Any:
        """The first example of the request body in the OpenAPI document; None if the operation has no body."""
        return next(iter(self._examples(self._sent)), ("", None))[1]

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the members that the request body may have."""
        return tuple(self.document.resolve(self._sent.get("schema", {})).get("properties", ()))

    @property
    def _sent(self) -> dict[str, Any]:
        content: dict[str, Any] = self.source.get("requestBody", {}).get("content", {})
        return content.get("application/json", {})

    @cached_property
    def answers(self) -> list[Answer]:
        answers = []
        for status, reference in sorted(self.source["responses"].items()):
            response = self.document.resolve(reference)
            headers = tuple(response.get("headers", ()))
            if "content" not in response:
                answers.append(Answer(int(status), "", None, "", headers))
            for kind, content in response.get("content", {}).items():
                answers += [Answer(int(status), name, body, kind, headers) for name, body in self._examples(content)]
        return answers

    def _examples(self, content: dict[str, Any]) -> list[tuple[str, Any]]:
        named = [
            (name, self.document.resolve(example)["value"]) for name, example in content.get("examples", {}).items()
        ]
        return [("", content["example"])] if "example" in content else named


class Document:
    def __init__(self) -> None:
        self.source = yaml.safe_load(PATH.read_text("utf-8"))
        self.operations = {
            f"{method.upper()} {path.removeprefix(PREFIX).lstrip('/')}".strip(): Operation(
                method.upper(), path.removeprefix(PREFIX).lstrip("/"), item[method], self
            )
            for path, item in self.source["paths"].items()
            for method in METHODS
            if method in item
        }

    @property
    def version(self) -> str:
        return str(self.source["info"]["version"])

    def resolve(self, node: Any) -> Any:
        """Follows `$ref` references within the OpenAPI document, and returns the node to which they lead."""
        while isinstance(node, dict) and "$ref" in node:
            target: Any = self.source
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            node = target
        return node

    def __getitem__(self, name: str) -> Operation:
        return self.operations[name]


def as_text(value: Any) -> str:
    """Returns a value as indented JSON, or "" for None."""
    return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False, default=str)
