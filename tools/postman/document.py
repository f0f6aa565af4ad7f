"""The OpenAPI document, as far as a collection needs it: operations with their parameters, examples and answers."""

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
    """An example of an answer. `name` is a rule where it is a refusal by one."""

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
    """`path` is without the prefix, as in `clients/{id}/`; that of the catalogue is empty."""

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
    def is_public(self) -> bool:
        return not self.source.get("security", [{}])[0]

    def parameters(self, place: str) -> list[dict[str, Any]]:
        found = (self.document.resolve(one) for one in self.source.get("parameters", ()))
        return [one for one in found if one["in"] == place]

    @property
    def body(self) -> Any:
        """The example of its body; None where it takes none."""
        content = self.source.get("requestBody", {}).get("content", {}).get("application/json", {})
        return next(iter(self._examples(content)), ("", None))[1]

    @cached_property
    def answers(self) -> list[Answer]:
        found = []
        for status, reference in sorted(self.source["responses"].items()):
            response = self.document.resolve(reference)
            headers = tuple(response.get("headers", ()))
            if "content" not in response:
                found.append(Answer(int(status), "", None, "", headers))
            for kind, content in response.get("content", {}).items():
                found += [Answer(int(status), name, body, kind, headers) for name, body in self._examples(content)]
        return found

    def _examples(self, content: dict[str, Any]) -> list[tuple[str, Any]]:
        named = [(name, self.document.resolve(one)["value"]) for name, one in content.get("examples", {}).items()]
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
        """What a reference within the document points to. A key may hold dots, never a slash."""
        while isinstance(node, dict) and "$ref" in node:
            found: Any = self.source
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            node = found
        return node

    def __getitem__(self, name: str) -> Operation:
        return self.operations[name]


def written(value: Any) -> str:
    """As it is sent, for people to read."""
    return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False, default=str)
