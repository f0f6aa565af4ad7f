"""Changes that break a client of the released document, and changes that don't: both sides of each rule."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from breaking import breaks

from config.environment import ROOT

_CLIENT = {
    "type": "object",
    "required": ["id", "name", "status"],
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": "string", "maxLength": 200},
        "status": {"type": "string", "enum": ["prospect", "client"]},
        "phone": {"type": ["string", "null"]},
        "contact": {"allOf": [{"$ref": "#/components/schemas/Contact"}], "readOnly": True},
        "team": {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}}}},
    },
}
_WRITE = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "maxLength": 200, "minLength": 1},
        "status": {"type": "string", "enum": ["prospect", "client"]},
        "amount": {"type": ["string", "number"], "pattern": "^[0-9]+$"},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
        "extra": {"type": "object"},
    },
}
_CHANGE = {"oneOf": [{"$ref": "#/components/schemas/Client"}, {"$ref": "#/components/schemas/Removal"}]}
_REMOVAL = {"type": "object", "required": ["op"], "properties": {"op": {"type": "string", "enum": ["delete"]}}}


def _json(ref: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{ref}"}}}


RELEASED: dict[str, Any] = {
    "paths": {
        "/clients/": {
            "get": {
                "operationId": "clients_list",
                "security": [{}],
                "parameters": [
                    {"in": "query", "name": "size", "schema": {"type": "integer", "minimum": 1, "maximum": 200}},
                    {"in": "query", "name": "q", "required": True, "schema": {"type": "string"}},
                ],
                "responses": {
                    "200": {
                        "content": _json("Change"),
                        "headers": {"ETag": {"required": True, "schema": {"type": "string"}}},
                    },
                    "404": {"$ref": "#/components/responses/NotFound"},
                },
            },
            "post": {
                "operationId": "clients_create",
                "security": [{"token": []}],
                "requestBody": {"required": True, "content": _json("Write")},
                "responses": {"201": {"content": _json("Client")}},
            },
        }
    },
    "components": {
        "schemas": {
            "Client": _CLIENT, "Write": _WRITE, "Change": _CHANGE, "Removal": _REMOVAL,
            "Contact": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}},
        },
        "responses": {"NotFound": {"headers": {"Retry-After": {"schema": {"type": "integer"}}}}},
    },
}  # fmt: skip
Change = Callable[[Any], Any]


def _list(document: Any) -> Any:
    return document["paths"]["/clients/"]["get"]


def _create(document: Any) -> Any:
    return document["paths"]["/clients/"]["post"]


def _sent(document: Any) -> Any:
    return document["components"]["schemas"]["Write"]


def _answered(document: Any) -> Any:
    return document["components"]["schemas"]["Client"]


BREAKING: dict[str, tuple[Change, str]] = {
    "a path is gone": (lambda d: d["paths"].clear(), "GET /clients/ is gone"),
    "an operation is gone": (lambda d: d["paths"]["/clients/"].pop("post"), "POST /clients/ is gone"),
    "an operation is renamed": (lambda d: _list(d).update(operationId="all"), "is called all"),
    "a login is needed": (lambda d: _list(d).update(security=[{"token": []}]), "needs a login"),
    "a parameter is gone": (lambda d: _list(d)["parameters"].pop(0), "query size is gone"),
    "a parameter becomes required": (lambda d: _list(d)["parameters"][0].update(required=True), "query size is required"),
    "a new parameter is required": (
        lambda d: _list(d)["parameters"].append({"in": "header", "name": "X", "required": True, "schema": {}}),
        "header X is new and required",
    ),
    "a parameter takes less": (lambda d: _list(d)["parameters"][0]["schema"].update(maximum=100), "a maximum above 100"),
    "a parameter takes another type": (lambda d: _list(d)["parameters"][1].update(schema={"type": "integer"}), "the type string"),
    "a body is gone": (lambda d: _create(d).pop("requestBody"), "takes no body any more"),
    "a body becomes required": (
        lambda d: _list(d).update(requestBody={"required": True, "content": _json("Write")}), "requires a body",
    ),
    "a media type is gone": (
        lambda d: _create(d)["requestBody"].update(content={"text/csv": {"schema": {}}}), "is no application/json any more",
    ),
    "a member of a body is gone": (lambda d: _sent(d)["properties"].pop("status"), "body/status: the member isn't taken"),
    "a member of a body becomes required": (lambda d: _sent(d)["required"].append("status"), "body/status: leaving it out"),
    "a value of an enum isn't taken": (lambda d: _sent(d)["properties"]["status"]["enum"].pop(), "the value 'client'"),
    "an enum comes to a body": (lambda d: _sent(d)["properties"]["name"].update(enum=["x"]), "another value than 'x'"),
    "a body's type is narrowed": (lambda d: _sent(d)["properties"]["amount"].update(type="string"), "the type number"),
    "a body's text is shorter": (lambda d: _sent(d)["properties"]["name"].update(maxLength=100), "a maxLength above 100"),
    "a body's text is longer": (lambda d: _sent(d)["properties"]["name"].update(minLength=2), "a minLength below 2"),
    "a body's pattern is another": (lambda d: _sent(d)["properties"]["amount"].update(pattern="^9$"), "another pattern"),
    "a pattern leaves out a value of the enum": (
        lambda d: _sent(d)["properties"].update(status={"type": "string", "pattern": "^client$"}), "another pattern",
    ),
    "a body's items are fewer": (lambda d: _sent(d)["properties"]["tags"].update(maxItems=1), "a maxItems above 1"),
    "a body's items are others": (lambda d: _sent(d)["properties"]["tags"].update(items={"type": "integer"}), "tags/*: the type string"),
    "a status is gone": (lambda d: _list(d)["responses"].pop("404"), "404 is gone"),
    "a success is new": (lambda d: _create(d)["responses"].update({"202": {}}), "202 is new"),
    "a header is gone": (lambda d: d["components"]["responses"]["NotFound"]["headers"].clear(), "header Retry-After is gone"),
    "a header isn't promised": (
        lambda d: _list(d)["responses"]["200"]["headers"]["ETag"].pop("required"), "header ETag isn't promised",
    ),
    "a header is of another type": (
        lambda d: d["components"]["responses"]["NotFound"]["headers"]["Retry-After"].update(schema={"type": "string"}),
        "header Retry-After: the type string",
    ),
    "a body takes no other members any more": (
        lambda d: _sent(d)["properties"]["extra"].update(additionalProperties=False), "extra: a member that isn't named",
    ),
    "a member within a member is gone": (
        lambda d: d["components"]["schemas"]["Contact"]["properties"].clear(), "201/contact/id: the member is gone",
    ),
    "a member of an item is gone": (
        lambda d: _answered(d)["properties"]["team"]["items"]["properties"].clear(), "201/team/*/id: the member is gone",
    ),
    "a member of an answer is gone": (lambda d: _answered(d)["properties"].pop("phone"), "201/phone: the member is gone"),
    "a member of an answer isn't promised": (lambda d: _answered(d)["required"].remove("name"), "/name: leaving it out wasn't"),
    "a member of an answer may be null": (
        lambda d: _answered(d)["properties"]["name"].update(type=["string", "null"]), "the type null wasn't possible",
    ),
    "an answer has a new value of an enum": (
        lambda d: _answered(d)["properties"]["status"]["enum"].append("gone"), "the value 'gone' wasn't possible",
    ),
    "an answer's text is longer": (lambda d: _answered(d)["properties"]["name"].update(maxLength=300), "201/name: a maxLength"),
    "a component that others refer to changes": (
        lambda d: d["components"]["schemas"]["Contact"]["properties"]["id"].update(type="string"), "201/contact/id: the type string",
    ),
    "an answer has a new alternative": (
        lambda d: d["components"]["schemas"]["Change"]["oneOf"].append({"type": "array"}), "the alternative 2 wasn't possible",
    ),
    "an alternative of an answer has a new value": (
        lambda d: d["components"]["schemas"]["Removal"]["properties"]["op"]["enum"].append("revoke"), "the alternative #/comp",
    ),
}  # fmt: skip
HARMLESS: dict[str, Change] = {
    "nothing changes": lambda d: None,
    "an operation is new": lambda d: d["paths"].update({"/new/": {"post": {}}}),
    "a login isn't needed any more": lambda d: _create(d).update(security=[{}]),
    "an optional parameter is new": lambda d: _list(d)["parameters"].append({"in": "query", "name": "n", "schema": {}}),
    "a parameter becomes optional": lambda d: _list(d)["parameters"][1].pop("required"),
    "a parameter takes more": lambda d: _list(d)["parameters"][0]["schema"].update(maximum=1000, type="number"),
    "a body becomes optional": lambda d: _create(d)["requestBody"].pop("required"),
    "an optional member of a body is new": lambda d: _sent(d)["properties"].update(notes={"type": "string"}),
    "a member of a body becomes optional": lambda d: _sent(d)["required"].clear(),
    "a value of an enum is taken as well": lambda d: _sent(d)["properties"]["status"]["enum"].append("lost"),
    "a pattern takes each value of the enum": lambda d: _sent(d)["properties"].update(
        status={"type": "string", "pattern": "^(prospect|client)(,(prospect|client))*$"}
    ),
    "a body's bounds are wider": lambda d: _sent(d)["properties"]["name"].update(maxLength=300, minLength=0),
    "a body takes any member": lambda d: _sent(d).pop("additionalProperties"),
    "a refusal is new": lambda d: _create(d)["responses"].update({"418": {"content": _json("Client")}}),
    "a header is new": lambda d: _list(d)["responses"]["200"]["headers"].update(Age={"schema": {}}),
    "a member of an answer is new": lambda d: _answered(d)["properties"].update(city={"type": "string"}),
    "a member of an answer is promised": lambda d: _answered(d)["required"].append("phone"),
    "an answer is null no more": lambda d: _answered(d)["properties"]["phone"].update(type="string"),
    "an answer has fewer values": lambda d: _answered(d)["properties"]["status"]["enum"].pop(),
    "an answer's text is shorter": lambda d: _answered(d)["properties"]["name"].update(maxLength=100),
    "an alternative of an answer is gone": lambda d: d["components"]["schemas"]["Change"]["oneOf"].pop(),
    "words change": lambda d: _list(d).update(description="Other words.", summary="Other", deprecated=True, tags=["x"]),
}  # fmt: skip


@pytest.mark.parametrize("change", BREAKING)
def test_it_breaks_when(change: str) -> None:
    make, told = BREAKING[change]
    changed = copy.deepcopy(RELEASED)
    make(changed)
    found = breaks(RELEASED, changed)
    assert any(told in line for line in found), found


@pytest.mark.parametrize("change", HARMLESS)
def test_it_does_not_break_when(change: str) -> None:
    changed = copy.deepcopy(RELEASED)
    HARMLESS[change](changed)
    assert breaks(RELEASED, changed) == []


def test_what_partners_were_given_is_not_broken() -> None:
    read = (yaml.load((ROOT / "docs" / name).read_text(), yaml.CSafeLoader) for name in ("openapi-released.yaml", "openapi.yaml"))  # fmt: skip
    assert breaks(*read) == []
