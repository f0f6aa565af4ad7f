"""Builds requests, folders and saved examples in Postman's collection format 2.1."""

import json
import re
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import checks
from document import Answer, Document, Operation, as_text
from folders import NOBODY, Folder, Request
from variables import Variables

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_KEY = "Idempotency-Key"
_PROVOKED = 429  # one request can't reach a rate limit, so a script sends many requests


def identifier(*steps: str) -> str:
    """Returns the id of an item in the collection.

    The id depends only on the names of the item and its folder, so that diffs stay small.
    """
    return str(uuid5(NAMESPACE_URL, "/".join(["epic-events-postman", *steps])))


def script(when: str, code: str) -> dict[str, Any]:
    return {"listen": when, "script": {"type": "text/javascript", "exec": code.splitlines()}}


def authorization(role: str) -> dict[str, Any]:
    if role == NOBODY:
        return {"type": "noauth"}
    return {"type": "bearer", "bearer": [{"key": "token", "value": f"{{{{{role}_access}}}}", "type": "string"}]}


def folder_item(folder: Folder, document: Document, top: Folder) -> dict[str, Any]:
    """Returns a folder as an item of the collection. `top` is the topmost folder above it, which has the variables."""
    item: dict[str, Any] = {"name": folder.name, "id": identifier(folder.name), "description": folder.about}
    item["item"] = [folder_item(inner, document, top) for inner in folder.folders]
    item["item"] += [request_item(request, folder, document, top.variables) for request in folder.requests]
    if folder.role:
        item["auth"] = authorization(folder.role)
    return item


def request_item(request: Request, folder: Folder, document: Document, variables: Variables) -> dict[str, Any]:
    operation = document[request.operation]
    place = (folder.name, request.name)
    sent: dict[str, Any] = {
        "method": operation.method,
        "description": _description(request, operation),
        "header": _headers(request, operation),
        "url": _url(request, operation),
    }
    if (body := _body(request, operation)) is not None:
        sent["body"] = {"mode": "raw", "raw": _numbers(as_text(body)), "options": {"raw": {"language": "json"}}}
    if operation.is_public or request.role:
        sent["auth"] = authorization(NOBODY if operation.is_public else request.role)
    sent = json.loads(variables.in_text(json.dumps(sent)))
    item: dict[str, Any] = {"name": request.name, "id": identifier(*place)}
    if lines := _tests(request, operation, variables):
        item["event"] = [script("test", "\n".join(lines))]
    examples = _examples(request, folder, operation)
    return item | {"request": sent, "response": [_saved_example(answer, sent, place) for answer in examples]}


def uses(request: Request, document: Document) -> str:
    """Returns all texts of a request in which variables may occur: what it sends, and its tests."""
    operation = document[request.operation]
    sent = [_url(request, operation), _headers(request, operation), _body(request, operation)]
    return "\n".join([json.dumps(sent), *request.tests, *request.keeps.values()])


def _tests(request: Request, operation: Operation, variables: Variables) -> list[str]:
    tests = []
    if request.answers != _PROVOKED:
        tests.append(checks.answers(request.answers))
        tests += checks.refused(request.answers, request.rule) if request.answers >= 400 else ()
    tests += request.tests
    gone = [_value_of("id", request, operation).strip("{}")] if operation.method == "DELETE" else []
    kept = [variables.keep(request.keeps)] if request.keeps else []
    if request.answers < 300:
        kept += [variables.forget(variable) for variable in [*gone, *request.forgets]]
    return [variables.in_script(test) for test in [*tests, *kept]]


def _description(request: Request, operation: Operation) -> str:
    parts = [request.why]
    own_lines = set(request.why.splitlines())
    permissions = [
        line for line in operation.description.splitlines() if line.startswith("Who may") and line not in own_lines
    ]
    parts += [re.sub(r"^([^:]+:)", r"**\1**", line) for line in permissions]
    if request.rule:
        sentence = _refusal(request, operation).body["detail"]
        parts.append(f"**Its rule:** `{request.rule}`. {sentence}")
    parts.append(f"`{operation.method} {operation.path}`: {operation.summary}.")
    return "\n\n".join(part for part in parts if part)


def _refusal(request: Request, operation: Operation) -> Answer:
    for answer in operation.answers:
        if (answer.status, answer.name) == (request.answers, request.rule):
            return answer
    raise ValueError(f"The document has no example of {request.answers} {request.rule} for {request.operation}.")


def _examples(request: Request, folder: Folder, operation: Operation) -> list[Answer]:
    """Returns the saved answers for a request: examples from the OpenAPI document.

    A request that should succeed gets the examples of successes and of three kinds of refusals: because of its role
    (403), because of a row's state (409), and, except for a GET, because the row has changed (412).
    """
    if request.rule:
        return [_refusal(request, operation)]
    if request.answers >= 400 and not request.is_reference:
        candidates = (answer for answer in operation.answers if answer.status == request.answers)
        return [answer for answer in candidates if request.like in ("", answer.name)][:1]
    role = {"partner": "external"}.get(request.role or folder.role, request.role or folder.role)
    return [
        answer
        for answer in operation.answers
        if answer.status < 400
        or (answer.status == 403 and (request.is_reference or f".{role}." in answer.name))
        or answer.status == 409
        or (answer.status == 412 and operation.method != "GET")
    ]


def _saved_example(answer: Answer, sent: dict[str, Any], place: tuple[str, str]) -> dict[str, Any]:
    name = f"{answer.status} {answer.phrase}" + (f": {answer.name}" if answer.name else "")
    original = {part: sent[part] for part in ("method", "body") if part in sent} | {"url": sent["url"]["raw"]}
    return {
        "id": identifier(*place, name),
        "name": name,
        "originalRequest": original,
        "status": answer.phrase,
        "code": answer.status,
        "_postman_previewlanguage": "json" if answer.content_type else "text",
        "header": [{"key": "Content-Type", "value": answer.content_type}] if answer.content_type else [],
        "cookie": [],
        "body": as_text(answer.body),
    }


def _body(request: Request, operation: Operation) -> Any:
    return request.body if request.body is not None else operation.body


def _numbers(text: str) -> str:
    """Removes the quotes around variables with an id in JSON, because an id is a number.

    For example: "{{client_id}}" -> {{client_id}}.
    """
    return re.sub(r'"(\{\{\w+_id\}\})"', r"\1", text)


def _headers(request: Request, operation: Operation) -> list[dict[str, Any]]:
    """Returns the headers that the request sends, and then the other headers in the OpenAPI document.

    The other headers are disabled, so that a user can enable them in Postman.
    """
    known = {parameter["name"]: parameter for parameter in operation.parameters("header")}
    used = ({_KEY: "{{$guid}}"} if _KEY in known else {}) | request.headers
    headers = [{"key": "Content-Type", "value": "application/json"}] if _body(request, operation) is not None else []
    headers += [{"key": name, "value": value, **_about(known.get(name, {}))} for name, value in used.items()]
    return headers + _disabled(known, used)


def _disabled(known: dict[str, dict[str, Any]], used: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"key": name, "value": str(parameter.get("example", "")), **_about(parameter), "disabled": True}
        for name, parameter in known.items()
        if name not in used
    ]


def _about(parameter: dict[str, Any]) -> dict[str, str]:
    return {"description": parameter["description"]} if parameter.get("description") else {}


def _url(request: Request, operation: Operation) -> dict[str, Any]:
    steps = [f":{step[1:-1]}" if step.startswith("{") else step for step in operation.path.split("/")]
    known = {parameter["name"]: parameter for parameter in operation.parameters("query")}
    query: list[dict[str, Any]] = [
        {"key": name, "value": value, **_about(known.get(name, {}))} for name, value in request.query.items()
    ]
    tail = "?" + "&".join(f"{entry['key']}={entry['value']}" for entry in query) if query else ""
    query += _disabled(known, request.query)
    url: dict[str, Any] = {"raw": "{{base_url}}/" + "/".join(steps) + tail, "host": ["{{base_url}}"], "path": steps}
    names = [step[1:] for step in steps if step.startswith(":")]
    if names:
        url["variable"] = [{"key": name, "value": _value_of(name, request, operation)} for name in names]
    return url | ({"query": query} if query else {})


def _value_of(name: str, request: Request, operation: Operation) -> str:
    if name in request.path:
        return request.path[name]
    return f"{{{{{operation.noun if name == 'id' else name}_id}}}}"
