"""The published document as a judge: every answer that any test gets is held to it, and every request that was accepted.

Stricter than what partners are promised: a member that the document doesn't know is a fault here, where it promises that
there may be more of them one day.
"""

import copy
import gzip
import re
from functools import cache, cached_property
from typing import Any, NamedTuple

import jsonschema_rs
import orjson
from drf_spectacular.generators import SchemaGenerator

# Of every answer of a web server (security.md 22, RFC 9110): no operation has to say that it has them.
COMMON_HEADERS = {
    "content-type", "content-length", "content-encoding", "content-security-policy", "cache-control", "vary", "x-frame-options",
    "x-content-type-options", "referrer-policy", "cross-origin-opener-policy", "strict-transport-security",
    "access-control-allow-origin", "access-control-expose-headers", "access-control-max-age",
}  # fmt: skip
# Rules that refuse anything at any time, when two change the same thing at once; docs/access.md tells of them.
ANYWHERE = re.compile(r"group\.|(database|row_gone|in_use|default\.deny)$|\w+_fk_\w+$")
_PAGES = ("/api/v1/docs/", "/api/v1/schema/")


class Operation(NamedTuple):
    id: str
    method: str
    path: str
    described: dict[str, Any]


class Published:
    @cached_property
    def document(self) -> dict[str, Any]:
        made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
        return made

    @cached_property
    def operations(self) -> list[Operation]:
        return [
            Operation(described["operationId"], method.upper(), path, described)
            for path, item in self.document["paths"].items()
            for method, described in item.items()
        ]

    @cached_property
    def _strict(self) -> dict[str, Any]:
        return {"schemas": closed(copy.deepcopy(self.document["components"]["schemas"]))}

    @cached_property
    def _paths(self) -> list[tuple[re.Pattern[str], dict[str, Operation]]]:
        found: dict[str, dict[str, Operation]] = {}
        for operation in self.operations:
            found.setdefault(operation.path, {})[operation.method] = operation
        # More words of its own first: /clients/{id}/ is tried after /clients/{id}/history/.
        ordered = sorted(found, key=lambda path: path.count("{"))
        return [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), found[path]) for path in ordered]

    def at(self, path: str) -> dict[str, Operation]:
        """What can be done at this address, by method."""
        return next((methods for pattern, methods in self._paths if pattern.fullmatch(path)), {})

    @cache  # noqa: B019  # there is one
    def resolved(self, ref: str) -> Any:
        found: Any = self.document
        for step in ref.removeprefix("#/").split("/"):
            found = found[step]
        return found

    def whole(self, part: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.resolved(part["$ref"]) if "$ref" in part else part
        return found

    def response(self, operation: Operation, status: int) -> dict[str, Any] | None:
        described = operation.described["responses"].get(str(status))
        return self.whole(described) if described else None

    def fault(self, schema: dict[str, Any], value: Any, *, tolerated: tuple[str, ...] = ()) -> str:
        """What is wrong about a value, empty where nothing is.

        `tolerated` is what a server may take that its document doesn't promise: a number or a time written otherwise.
        """
        validator = _validator(self, orjson.dumps(schema))
        if validator.is_valid(value):
            return ""
        found = [error for error in validator.iter_errors(value) if error.schema_path[-1] not in tolerated]
        return "; ".join(f"{list(error.instance_path)}: {error.message}" for error in found)

    def judge(self, method: str, path: str, sent: bytes, response: Any) -> None:
        """Raises AssertionError for an answer, or a request that was accepted, that the document doesn't have."""
        methods = self.at(path)
        if method == "OPTIONS" or not methods or path.startswith(_PAGES):
            return
        asked = "GET" if method == "HEAD" else method
        if asked not in methods:
            assert response.status_code in (
                405,
                404,
                401,
                429,
                400,
            ), f"{method} {path} isn't declared: {response.status_code}"
            return
        operation = methods[asked]
        where = f"{operation.id} {response.status_code}"
        described = self.response(operation, response.status_code)
        assert described is not None, f"{where} isn't declared: {response.content[:300]!r}"
        self._judge_headers(where, described.get("headers", {}), response)
        if method != "HEAD":
            self._judge_body(where, described, response)
        if response.status_code < 300 and sent and "requestBody" in operation.described:
            schema = operation.described["requestBody"]["content"]["application/json"]["schema"]
            fault = self.fault(schema, orjson.loads(sent), tolerated=("type", "format", "pattern"))
            assert not fault, f"{operation.id} accepted what isn't declared: {fault}"

    def _judge_headers(self, where: str, declared: dict[str, Any], response: Any) -> None:
        sent = {name.lower(): value for name, value in response.headers.items()}
        known = {name.lower(): self.whole(header) for name, header in declared.items()}
        strangers = sent.keys() - known.keys() - COMMON_HEADERS
        assert not strangers, f"{where} has headers that aren't declared: {strangers}"
        missing = {name for name, header in known.items() if header.get("required")} - sent.keys()
        assert not missing, f"{where} lacks headers: {missing}"
        for name in known.keys() & sent.keys():
            schema = known[name]["schema"]
            value = int(sent[name]) if schema["type"] == "integer" else sent[name]
            assert not (fault := self.fault(schema, value)), f"{where}, {name}: {fault}"

    def _judge_body(self, where: str, described: dict[str, Any], response: Any) -> None:
        content = described.get("content", {})
        if not content:
            assert not response.content, f"{where} has a body"
            return
        kind = response["Content-Type"]
        assert kind in content, f"{where} is {kind}"
        is_compressed = response.get("Content-Encoding") == "gzip"
        body = orjson.loads(gzip.decompress(response.content) if is_compressed else response.content)
        fault = self.fault(content[kind]["schema"], body)
        assert not fault, f"{where}: {fault}"
        if response.status_code in (403, 409) and not ANYWHERE.match(body["rule"]):
            assert body["rule"] in content[kind]["examples"], f"{where}: {body['rule']} isn't declared"


def closed(schema: Any) -> Any:
    """The schema without room for members that it doesn't name, and with the one notation of moments in answers."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
            schema.setdefault("additionalProperties", False)
            for member in schema["properties"].values():
                if member.get("format") == "date-time":
                    member["pattern"] = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$"
        for part in schema.values():
            closed(part)
    elif isinstance(schema, list):
        for part in schema:
            closed(part)
    return schema


@cache
def _validator(published: Published, schema: bytes) -> Any:
    whole = closed(orjson.loads(schema)) | {"components": published._strict}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


published = Published()
