"""Every answer of 400 and above is a problem document (RFC 9457), wherever in the stack it comes from."""

import json
import logging
from typing import Any

import pytest
from django.db import OperationalError, connection
from rest_framework.test import APIClient

from conftest import API, Caller, World

CLIENTS = API + "clients/"


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    body = json.loads(response.content)
    assert response.status_code == body["status"] == status, body
    assert response["Content-Type"] == "application/problem+json"
    assert body["code"] == code
    assert body["request_id"] == response["X-Request-ID"]
    assert set(body) <= {"type", "title", "status", "detail", "code", "request_id", "rule", "errors"}
    assert body["detail"].endswith(".")
    return body


def test_not_found_within_and_outside_the_api(world: World, sales: Caller) -> None:
    problem(sales.get(CLIENTS + "999999/"), 404, "not_found")
    problem(sales.get("/nowhere/"), 404, "not_found")
    assert "slash" in problem(sales.get("/api/v1/clients"), 404, "not_found")["detail"]
    problem(sales.get("/administration/"), 404, "not_found")


def test_unauthorized_carries_the_challenge(anonymous: Caller) -> None:
    response = anonymous.get(CLIENTS)
    problem(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'
    response = Caller(HTTP_AUTHORIZATION="Bearer nonsense").get(CLIENTS)
    problem(response, 401, "token_invalid")
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'


def test_forbidden_tells_its_rule_and_conflict_too(world: World, support: Caller, sales: Caller) -> None:
    body = problem(support.post(CLIENTS, {}), 403, "permission_denied")
    assert body["rule"] == "client.create.support.none"
    body = problem(sales.delete(f"{CLIENTS}{world.own_client.pk}/"), 409, "conflict")
    assert body["rule"] == "client_has_contracts"


def test_a_400_points_into_the_body(world: World, sales: Caller) -> None:
    body = problem(sales.post(CLIENTS, {"a/b~c": 1, "x": 2}), 400, "invalid")
    assert {error["pointer"] for error in body["errors"]} == {"#/a~1b~0c", "#/x"}


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"nope", b"[1", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1e400}', b'{"a": "\\ud800"}', b"\xff\xfe{}", b'{"a": "\\u0000"}', b'{"\\u0000": 1}',
     b"[" * 5000 + b"]" * 5000, b'{"a":' * 2500 + b"1" + b"}" * 2500, b"\xef\xbb\xbf{}", b"'a'", b'{"a": 01}', b"\x00"],
)  # fmt: skip
def test_a_body_that_is_no_json_is_refused(body: bytes, world: World, sales: Caller) -> None:
    for path in (CLIENTS, API + "users/login/", API + "users/refresh/"):
        response = sales.generic("POST", path, body, content_type="application/json")
        assert problem(response, 400, json.loads(response.content)["code"])["errors"]


@pytest.mark.parametrize("value", [b"[]", b"1", b'"text"', b"null", b"true", b"[{}]"])
def test_a_body_that_is_no_object_is_refused(value: bytes, world: World, sales: Caller) -> None:
    problem(sales.generic("POST", CLIENTS, value, content_type="application/json"), 400, "invalid")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/xml", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "x", ""],
)
def test_another_content_type_is_refused(content_type: str, world: World, sales: Caller) -> None:
    problem(sales.generic("POST", CLIENTS, b"{}", content_type=content_type), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-16", 'application/json; charset="UTF-7"', "application/json;charset=latin-1"],
)
def test_another_charset_is_refused(content_type: str, world: World, sales: Caller) -> None:
    body = problem(sales.generic("POST", CLIENTS, b"{}", content_type=content_type), 415, "unsupported_media_type")
    assert body["detail"] == "Bodies are sent in UTF-8 here."


@pytest.mark.parametrize("content_type", ["application/json;charset=UTF-8", 'application/json; charset="utf-8"; v=1'])
def test_utf_8_may_be_said(content_type: str, world: World, sales: Caller) -> None:
    problem(sales.generic("POST", CLIENTS, b"{}", content_type=content_type), 400, "invalid")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity, gzip", "x"])
def test_a_compressed_body_is_refused(coding: str, world: World, sales: Caller) -> None:
    response = sales.post(CLIENTS, {"company_name": "x"}, HTTP_CONTENT_ENCODING=coding)
    problem(response, 415, "unsupported_media_type")
    problem(sales.post(CLIENTS, {}, HTTP_CONTENT_ENCODING="identity"), 400, "invalid")


@pytest.mark.parametrize("coding", ["chunked", "gzip, chunked", ""])
def test_a_body_of_unknown_length_is_refused_rather_than_lost(coding: str, world: World, sales: Caller) -> None:
    address = f"{CLIENTS}{world.own_client.pk}/"
    response = sales.generic("PATCH", address, b"", content_type="application/json", HTTP_TRANSFER_ENCODING=coding)
    problem(response, 411, "length_required")


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "a", "name": "b"}',
        b'{"name": "a", "n\\u0061me": "b"}',
        b'{"x": [{"a": 1, "a": 1}]}',
        b'{"": 1, "": 1}',
    ],
)
def test_a_name_that_comes_twice_is_refused(body: bytes, world: World, sales: Caller) -> None:
    address = f"{API}contracts/{world.own_draft.pk}/"
    refused = problem(sales.generic("PATCH", address, body, content_type="application/json"), 400, "parse_error")
    assert "more than once" in refused["detail"]
    assert sales.get(address).json()["version"] == 1


def test_a_large_body_is_refused(world: World, sales: Caller) -> None:
    body = json.dumps({"company_name": "x" * 2 * 1024 * 1024})
    problem(sales.generic("POST", CLIENTS, body, content_type="application/json"), 413, "body_too_large")


def test_a_wrong_method_tells_the_right_ones(world: World, sales: Caller) -> None:
    response = sales.put(CLIENTS, {})
    problem(response, 405, "method_not_allowed")
    assert response["Allow"].startswith("GET, POST")


def test_an_unknown_host_is_refused(world: World, sales: Caller) -> None:
    refused = problem(sales.get(CLIENTS, HTTP_HOST="evil.example"), 400, "parse_error")
    assert "ALLOWED_HOSTS" in refused["detail"]
    assert sales.get(CLIENTS, HTTP_HOST="evil.example")["X-Content-Type-Options"] == "nosniff"


def test_what_accept_says_changes_nothing(world: World, sales: Caller) -> None:
    for accept in ("text/html", "application/xml", "*/*", "nonsense", ""):
        assert sales.get(CLIENTS, HTTP_ACCEPT=accept)["Content-Type"] == "application/json"


@pytest.mark.parametrize("given", ["abc-123", "0f8fad5b-d9cb-469f-a165-70867728950e"])
def test_a_request_id_is_echoed(given: str, anonymous: Caller) -> None:
    assert anonymous.get("/health/live/", HTTP_X_REQUEST_ID=given)["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a\nb", "<script>", "é"])
def test_a_strange_request_id_is_replaced(given: str, anonymous: Caller) -> None:
    made = anonymous.get("/health/live/", HTTP_X_REQUEST_ID=given)["X-Request-ID"]
    assert made != given
    assert len(made) == 32


def test_a_request_has_an_id_of_the_servers_and_one_of_its_callers(anonymous: Caller, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    answers = [anonymous.get("/nowhere/", HTTP_X_REQUEST_ID="the-same") for _ in range(2)]
    assert [problem(answer, 404, "not_found")["request_id"] for answer in answers] == ["the-same"] * 2
    lines = [record for record in caplog.records if record.name == "eecrm.request"]
    assert [line.caller_request_id for line in lines] == ["the-same"] * 2
    assert len({line.request_id for line in lines}) == 2


def failing(error: Exception) -> Any:
    """A database that fails each statement: the one part of the world that a test can't break for real in passing."""

    def fail(execute: Any, sql: str, params: Any, *rest: Any) -> Any:
        if params and params[:2] == ["none", ""]:  # the test client's own statement, see conftest
            return execute(sql, params, *rest)
        raise error

    return connection.execute_wrapper(fail)


def test_a_lost_database_is_a_503_with_retry_after(world: World, sales: Caller) -> None:
    with failing(OperationalError("server closed the connection")):
        response = sales.get(CLIENTS)
        ready = sales.get("/health/ready/")
        live = sales.get("/health/live/")
    assert problem(response, 503, "unavailable")
    assert response["Retry-After"] == "1"
    assert problem(ready, 503, "unavailable")
    assert live.status_code == 200


def test_what_nobody_foresaw_is_a_500_document_that_tells_nothing(world: World, sales: Caller, caplog: Any) -> None:
    breaking = APIClient(**sales.defaults)  # to a Caller a 500 is a fault: no operation has one
    with failing(ZeroDivisionError("secret detail")):
        response = breaking.get(CLIENTS)
    body = problem(response, 500, "internal_error")
    assert "secret" not in json.dumps(body)
    assert "unforeseen: ZeroDivisionError" in caplog.text


def test_healthy_and_ready(db: None, anonymous: Caller) -> None:
    for path in ("/health/live/", "/health/ready/"):
        response = anonymous.get(path)
        assert (response.status_code, response.json()) == (200, {"status": "ok"})
        assert anonymous.post(path).status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/health/live/",
        API + "clients/",
        API + "users/me/",
        "/nowhere/",
        API,
        API + "docs/",
        "/hidden-admin/login/",
        "/static/admin/css/base.css",
    ],
)
def test_every_answer_carries_the_strict_headers(path: str, world: World, sales: Caller) -> None:
    response = sales.get(path, secure=True)
    assert response["Strict-Transport-Security"].startswith("max-age=31536000")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
    assert "unsafe" not in response["Content-Security-Policy"]
    assert response["X-Request-ID"]
    if path.startswith("/api/"):
        assert response["Cache-Control"] == "no-store"
    response.close()


def test_a_refusal_quotes_the_wrong_value_and_never_a_secret(world: World, sales: Caller) -> None:
    path = f"{API}clients/{world.own_client.pk}/"
    for field, value, shown in (
        ("email", "no address", "“no address”"), ("status", "open", "Choose one of prospect, client. You sent “open”."),
        ("sales_contact_id", 10**12, "You sent 1000000000000."), ("company_name", "x" * 500, f"“{'x' * 99}…”"),
        ("first_name", "a\u202eb", "“a\\u202eb”"),
    ):  # fmt: skip
        (error,) = sales.patch(path, {field: value}).json()["errors"]
        assert error["pointer"] == f"#/{field}"
        assert shown in error["detail"], error["detail"]
    for body in ({"first_name": ""}, {"first_name": None}, {"first_name": ["x"]}, {"colour": "red"}, {"version": 5}):
        (error,) = sales.patch(path, body).json()["errors"]
        assert "You sent" not in error["detail"]
    secret = "s3cret" * 800
    for url, body in (
        ("login/", {"username": secret, "password": secret, "otp": secret}), ("refresh/", {"refresh": secret}),
        ("me/password/", {"old_password": secret, "new_password": secret}), ("me/email/", {"email": "x", "password": secret}),
    ):  # fmt: skip
        answer = sales.post(f"{API}users/{url}", body)
        assert answer.status_code == 400, answer.content
        assert b"s3cret" not in answer.content
    assert "You sent “x”." in str(answer.json()["errors"])
