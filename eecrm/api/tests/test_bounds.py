"""Bounds of what comes in and goes out: bytes, entries and parses are counted here, never seconds."""

import json
import logging
from typing import Any

import orjson
import pytest

from api import parsers
from api.bounds import MAX_CREDENTIAL_BYTES, MAX_DETAIL_CHARS, MAX_ERRORS, MAX_FORM_BYTES, MAX_SHOWN_CHARS
from api.logs import JSONFormatter
from api.tests.published import published
from api.tests.test_problems import problem
from conftest import API, Caller, Visitor, World

MAX_ANSWER_BYTES = 32 * 1024
CREDENTIALS = ["login", "refresh", "logout", "me/password", "me/email"]
LONG = "x" * 4_000


def members(number: int) -> dict[str, int]:
    return {f"member{place}": place for place in range(number)}


@pytest.mark.parametrize("path", CREDENTIALS)
def test_bodies_of_credentials_have_16_kib_at_most(path: str, world: World, sales: Caller) -> None:
    address = f"{API}users/{path}/"
    small = b'{"x": "%s"}' % (b"x" * (MAX_CREDENTIAL_BYTES - 9))
    assert len(small) == MAX_CREDENTIAL_BYTES
    problem(sales.generic("POST", address, small, content_type="application/json"), 400, "invalid")
    refused = sales.generic("POST", address, small + b" ", content_type="application/json")
    assert problem(refused, 413, "body_too_large")["detail"] == "A request body holds at most 16 KiB here."
    refused = sales.generic("POST", address, b"x" * 2 * 1024 * 1024, content_type="application/json")
    problem(refused, 413, "body_too_large")
    declared = published.document["paths"][address]["post"]["responses"]["413"]
    assert declared == {"$ref": "#/components/responses/CredentialsTooLarge"}


@pytest.mark.parametrize("path", ["/account/forgotten/", "/account/password/MQ/set-password/", "/hidden-admin/login/", "/health/ready/"])
@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"])
def test_forms_of_visitors_have_no_more(path: str, content_type: str, world: World) -> None:
    visitor = Visitor()
    small = b"account=a&x=" + b"x" * (MAX_CREDENTIAL_BYTES - 12)
    assert visitor.generic("POST", path, small, content_type=content_type).status_code != 413
    problem(visitor.generic("POST", path, small + b"x", content_type=content_type), 413, "body_too_large")


@pytest.mark.parametrize("path", ["accounts/user/import/", "clients/client/add/", "second-factor/", "nothing/"])
def test_other_forms_of_the_site_have_8_mib_at_most(path: str, world: World) -> None:
    """Whoever hasn't logged in sends forms too: 200 MB to the page of imports took a worker 0.6 s."""
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    for size, is_too_large in ((MAX_FORM_BYTES - len(head), False), (MAX_FORM_BYTES, True)):
        page = Visitor().generic("POST", f"/hidden-admin/{path}", head + b"x" * size, content_type="multipart/form-data; boundary=x")
        assert (page.status_code == 413) is is_too_large


def test_the_honeypot_says_it_as_a_stock_site(world: World, caplog: pytest.LogCaptureFixture) -> None:
    body = b"username=a&x=" + b"x" * MAX_CREDENTIAL_BYTES
    answer = Visitor().generic("POST", "/admin/login/", body, content_type="application/x-www-form-urlencoded")
    assert (answer.status_code, answer["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert [record.tried for record in caplog.records if record.name == "eecrm.security"] == ["login"]


def test_a_page_is_not_long_because_of_what_was_typed(world: World) -> None:
    for path in ("/account/forgotten/", "/admin/login/", "/hidden-admin/login/"):
        page = Visitor().post(path, {"account": "&" * 5_000, "username": "&" * 5_000, "password": "x"})
        assert page.status_code == 200 and len(page.content) < 8 * MAX_CREDENTIAL_BYTES


def test_what_is_too_large_is_never_parsed(world: World, sales: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[int] = []
    loads = orjson.loads

    def counted(text: Any) -> Any:
        if text[:5] == b'{"x":':
            parsed.append(len(text))
        return loads(text)

    monkeypatch.setattr(parsers.orjson, "loads", counted)
    for size in (10, MAX_CREDENTIAL_BYTES - 20, 100_000, 1024 * 1024):
        sales.post(API + "users/login/", {"x": "x" * size})
    assert len(parsed) == 2


@pytest.mark.parametrize("number", [1, MAX_ERRORS, MAX_ERRORS + 1, 40_000])
def test_more_than_fifty_unknown_members_are_told_as_a_number(number: int, world: World, sales: Caller) -> None:
    response = sales.patch(API + "users/me/", members(number))
    body = problem(response, 400, "invalid")
    assert len(response.content) < MAX_ANSWER_BYTES
    if number <= MAX_ERRORS:
        assert [error["pointer"] for error in body["errors"]] == [f"#/{name}" for name in members(number)]
        assert {error["code"] for error in body["errors"]} == {"unknown"}
    else:
        assert body["errors"] == [{"pointer": "#", "code": "unknown", "detail": f"{number:,} fields are unknown."}]
        assert body["detail"] == f"{number:,} fields are unknown."


def test_more_than_fifty_unknown_parameters_too(world: World, sales: Caller) -> None:
    query = "&".join(f"p{place}=1" for place in range(MAX_ERRORS + 1))
    body = problem(sales.get(f"{API}clients/?{query}"), 400, "invalid")
    (error,) = body["errors"]
    assert error["pointer"] == "?"
    assert error["detail"].startswith("51 parameters are unknown. Known: ")


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "a", "name": "b"}', b'{"x": [{"a": 1, "a": 1}]}', b'{"": 1, "": 1}', b'{"a\\"": 1, "a\\u0022": 1}',
        b'{"x": {"a": 1, "b": 2}, "x": {"a": 1}}', b'[[{"a": {}}, {"a": {"b": 1, "b": 1}}]]',
        b'{"a": 1, "b": ":", "a": ":::"}',
    ],
)  # fmt: skip
def test_a_name_that_comes_twice_is_found(body: bytes, world: World, sales: Caller) -> None:
    for text in (body, body[:-1] + b" " * 20_000 + body[-1:]):
        refused = sales.generic("PATCH", API + "users/me/", text, content_type="application/json")
        assert "more than once" in problem(refused, 400, "parse_error")["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"a": ":", 'b":': "\\", "c": '\\":"', "d": [{"a": 1}, {"a": 1}], "e": {"a": {"a": 1}}}, {"\\": 1, '\\"': 1},
        {"é:": "\u2028:", "a": [":", [":"]]}, {}, [], "a:b", {"x": "\n\t:"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("ascii_only", [True, False])
def test_one_that_doesnt_is_taken(body: Any, ascii_only: bool, world: World, sales: Caller) -> None:
    text = json.dumps(body, ensure_ascii=ascii_only).encode()
    answer = sales.generic("PATCH", API + "users/me/", text, content_type="application/json")
    assert "more than once" not in answer.content.decode()


def test_repeated_names_cost_no_second_parse_of_a_large_body(
    world: World, sales: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[int] = []
    loads = json.loads

    def counted(text: Any, **how: Any) -> Any:
        if "object_pairs_hook" in how:
            parsed.append(len(text))
        return loads(text, **how)

    monkeypatch.setattr(parsers.json, "loads", counted)
    for filling in (10, 500_000):
        text = b'{"first_name": "%s", "first_name": "b"}' % (b"x" * filling)
        problem(
            sales.generic("PATCH", API + "users/me/", text, content_type="application/json"), 400, "parse_error"
        )
        problem(sales.patch(API + "users/me/", members(filling // 10)), 400, "invalid")
    assert [size < 100 for size in parsed] == [True]


def reflecting(sales: Caller, world: World) -> list[Any]:
    """Answers that show what was sent: names, values, headers, paths, methods."""
    own = f"{API}clients/{world.own_client.pk}/"
    big = "y" * 200_000
    return [
        sales.patch(own, {big: 1}),
        sales.patch(own, {f"{LONG}{place}": 1 for place in range(MAX_ERRORS)}),
        sales.patch(own, {f"x{place}": 1 for place in range(MAX_ERRORS)} | {"status": big, "email": big, "first_name": "\n"}),
        sales.patch(own, {"status": big}),
        sales.patch(own, {"status": [big] * 3}),
        sales.patch(own, {"email": big, "phone": big, "company_name": big, "sales_contact_id": big}),
        sales.post(API + "users/login/", {"x" * 15_000: 1}),
        sales.post(API + "users/login/", {"username": "x" * 15_000, "password": ""}),
        sales.generic("PATCH", own, b'{"%s": 1, "%s": 2}' % (b"x" * 8_000, b"x" * 8_000), content_type="application/json"),
        sales.get(f"{API}clients/?{LONG}=1"),
        sales.get(f"{API}clients/?" + "&".join(f"{'p' * 70}{place}=1" for place in range(MAX_ERRORS))),
        sales.get(f"{API}clients/?status={LONG}"),
        sales.get(f"{API}clients/?ordering={LONG}&cursor={LONG}"),
        sales.get(f"{API}sync/?types={LONG}"),
        sales.get(f"/{LONG}/"),
        sales.get(f"{API}clients/{'9' * 4_000}/"),
        sales.generic("POST", API + "clients/", b"{}", content_type=f"text/{LONG}"),
        sales.generic("M" * 4_000, API + "clients/", b""),
        sales.get(API + "clients/", HTTP_HOST=LONG),
        sales.get(API + "nowhere/", HTTP_X_REQUEST_ID=LONG),
        sales.patch(own, {}, HTTP_IF_MATCH=LONG),
        sales.patch(own, {}, HTTP_X_CHANGE_REASON=LONG),
        sales.get(API + "clients/", HTTP_AUTHORIZATION=f"Bearer {LONG}"),
    ]  # fmt: skip


def test_no_answer_is_long_because_of_what_was_sent(world: World, sales: Caller) -> None:
    for answer in reflecting(sales, world):
        headers = sum(len(name) + len(value) for name, value in answer.items())
        assert 400 <= answer.status_code < 500, answer.content[:300]
        assert len(answer.content) < MAX_ANSWER_BYTES and headers < 4_096
        body = answer.json()
        assert len(body["detail"]) <= MAX_DETAIL_CHARS
        for error in body.get("errors", ()):
            assert len(error["pointer"]) <= MAX_SHOWN_CHARS + 1
            assert len(error["detail"]) <= MAX_DETAIL_CHARS
        assert len(body.get("errors", ())) <= MAX_ERRORS


def test_no_log_line_is_either(world: World, sales: Caller, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    reflecting(sales, world)
    Caller().post("/admin/login/", {"username": LONG, "password": "x"}, format="multipart", HTTP_USER_AGENT=LONG)
    lines = [JSONFormatter().format(record) for record in caplog.records]
    assert len(lines) > 20
    assert max(map(len, lines)) < 4_096
