"""Hostile values in every field, parameter, header and path: never a 500, always a document, nothing poisonous stored."""

import json
from typing import Any

import pytest

from access.checks import routes
from access.tests.test_routes import GUARDED, PUBLIC, filled
from clients.filters import ClientFilterSet
from clients.serializers import ClientSerializer
from conftest import API, Caller, World
from contracts.filters import ContractFilterSet
from contracts.serializers import ContractSerializer
from events.filters import EventFilterSet
from events.serializers import EventSerializer

VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**40, 1.5, 1e308, -0.0, "", " ", "\t\n", "a\x00b", "\x00", "a" * 10_001, "é" * 300, "💥" * 60, "\u202e\u200b\ufeff",
    "' OR 1=1 --", "%s%d%n", "{{7*7}}", "../../etc/passwd", "<script>alert(1)</script>", "NaN", "sNaN", "Infinity", "-Infinity", "1e400", "9" * 5000, "0.001", "١٢٣",
    "true", "null", "0001-01-01", "9999-12-31", "10000-01-01", "2027-02-30", "2027-03-28T02:30:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    "2027-01-01T25:61:61Z", "infinity", "+33", "+999999999999999999", "a@b", "a@" + "b" * 300 + ".example", [], [[]], ["x"], [None] * 50, {}, {"id": 1}, {"$gt": ""},
    {"a": {"b": {"c": []}}},
]  # fmt: skip
QUERY = [
    "", "%00", "%FF%FE", "%ED%A0%80", "١", "-1", "0", "99999999999999999999", "1e5", "NaN", "Infinity", "1E9999", "true", "null", "[]", "%7B%7D", "' OR 1=1", "%25%25", "a" * 3000,
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "10000-01-01", "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00", "2027-02-30", "%F0%9F%92%A5", "%E2%80%AE",
    "(((", ":*", "!!", "a%26b", "%5C", "id,-id", "__class__", "..%2F..", "%0D%0AX:%20y",
]  # fmt: skip

COLLECTIONS = {
    "clients": (ClientSerializer, ClientFilterSet, "own_client"),
    "contracts": (ContractSerializer, ContractFilterSet, "own_draft"),
    "events": (EventSerializer, EventFilterSet, "own_event"),
}


def check(response: Any, what: str) -> None:
    assert response.status_code < 500, (what, response.content)
    if what.startswith("account/"):
        assert response["Content-Type"].startswith("text/html"), what  # pages for people
    elif response.status_code >= 400:
        assert response["Content-Type"] == "application/problem+json", what
        assert json.loads(response.content)["status"] == response.status_code


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_hostile_bodies(collection: str, world: World, management: Caller) -> None:
    serializer, _, name = COLLECTIONS[collection]
    address = f"{API}{collection}/{getattr(world, name).pk}/"
    for field in [*serializer.Meta.fields, "", "__proto__", "a" * 300]:
        for value in VALUES:
            check(management.patch(address, {field: value}), f"{field}={value!r:.50}")
    assert management.get(address).status_code == 200
    for person in (management, Caller.as_user(world.users["auditor"])):
        assert person.get(f"{API}{collection}/").status_code == 200


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_hostile_queries(collection: str, world: World, sales: Caller) -> None:
    _, filterset, _ = COLLECTIONS[collection]
    for parameter in [*filterset.base_filters, "search", "ordering", "page_size", "cursor", "count", "%00", "a" * 300]:
        for value in QUERY:
            check(sales.get(f"{API}{collection}/?{parameter}={value}"), f"{parameter}={value:.50}")


def test_hostile_logins(world: World, anonymous: Caller) -> None:
    for value in VALUES:
        if isinstance(value, str) and 0 < len(value.strip()) <= 1024:
            continue  # well-formed ones cost a password hash each and are tested elsewhere
        check(anonymous.post(API + "users/login/", {"username": value, "password": value}), f"login {value!r:.50}")
    for value in VALUES:
        check(anonymous.post(API + "users/refresh/", {"refresh": value}), f"refresh {value!r:.50}")


@pytest.mark.parametrize(
    "header",
    [
        "HTTP_AUTHORIZATION",
        "HTTP_ACCEPT",
        "HTTP_X_REQUEST_ID",
        "HTTP_X_FORWARDED_FOR",
        "HTTP_X_FORWARDED_PROTO",
        "HTTP_X_HTTP_METHOD_OVERRIDE",
        "HTTP_CONTENT_ENCODING",
        "HTTP_RANGE",
        "HTTP_IF_MATCH",
        "HTTP_IF_NONE_MATCH",
        "HTTP_IDEMPOTENCY_KEY",
        "HTTP_COOKIE",
        "HTTP_ORIGIN",
        "HTTP_ACCEPT_LANGUAGE",
        "CONTENT_TYPE",
        "HTTP_USER_AGENT",
    ],
)
def test_hostile_headers(header: str, world: World, sales: Caller) -> None:
    for value in (
        "",
        "\x00",
        "é",
        "a" * 9000,
        "../..",
        "%00",
        "'",
        "bytes=0-99999999999",
        "application/json; charset=utf-7",
        "application/json;;;",
        "\xff\xfe",
        "1,2,3",
    ):
        for path in (API + "clients/", f"{API}clients/{world.own_client.pk}/", API + "users/me/"):
            check(sales.get(path, **{header: value}), f"{header}: {value:.40}")
    check(sales.generic("POST", API + "clients/", b"{}", content_type="application/json; charset=utf-16"), "charset")


def test_hostile_paths(world: World, management: Caller) -> None:
    for path in PUBLIC | GUARDED:
        if path.startswith("account/"):
            continue  # pages for people: accounts/tests/test_links.py
        for tail in ("%00", "..", "%2e%2e/", "?%00=%00", "%ff", "١/", ";a=b", "//", "%0a"):
            check(management.get(filled(path, world) + tail), path + tail)


def test_every_route_bears_every_method_with_a_hostile_body(world: World, superuser: Caller) -> None:
    for path, _ in routes():
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
            for body in (b"", b"{", b"[]", b"\xff", b"[" * 2000, b'{"status": []}'):
                if method == "DELETE" and "logout" not in path:
                    body = b"{"
                response = superuser.generic(method, filled(path, world), body, content_type="application/json")
                assert response.status_code < 500, (method, path, body)


def test_the_hostile_requests_are_many() -> None:
    values = sum(len(serializer.Meta.fields) + 3 for serializer, _, _ in COLLECTIONS.values()) * len(VALUES)
    queries = sum(len(filterset.base_filters) + 7 for _, filterset, _ in COLLECTIONS.values()) * len(QUERY)
    assert values + queries >= 2000
