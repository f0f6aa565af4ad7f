"""Pages of listed origins may call the API and read what it says, refusals too; others are told nothing."""

from typing import Any

import pytest
from django.db import OperationalError

from api.tests.test_problems import failing
from conftest import API, Caller, World

OURS, CLIENTS = "https://app.epic.example", API + "clients/"
EXPOSED = "ETag, Idempotency-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID, Deprecation, Sunset, Link"


@pytest.fixture(autouse=True)
def listed(settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = [OURS, "http://localhost:5173"]


def granted(response: Any) -> set[str]:
    return {name for name in response.headers if name.lower().startswith("access-control-")}


def preflight(caller: Caller, path: str = CLIENTS, origin: str = OURS, method: str = "PATCH") -> Any:
    return caller.options(path, HTTP_ORIGIN=origin, HTTP_ACCESS_CONTROL_REQUEST_METHOD=method)


def test_a_preflight_asks_for_no_login_and_costs_no_database(anonymous: Caller, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"anonymous": (1, 86_400)}
    for _ in range(3):
        with failing(OperationalError("no statement is expected")):
            response = preflight(anonymous)
        assert response.status_code == 200
        assert response["Access-Control-Allow-Origin"] == OURS
        assert response["Access-Control-Allow-Methods"] == "GET, POST, PUT, PATCH, DELETE, OPTIONS"
        assert response["Access-Control-Allow-Headers"] == (
            "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Change-Reason, X-Request-ID"
        )
        assert response["Access-Control-Max-Age"] == "7200"
        assert "Access-Control-Allow-Credentials" not in response
        assert "origin" in response["Vary"].lower()
        assert response["X-Request-ID"]


def test_a_page_reads_answers_and_their_headers(world: World, sales: Caller) -> None:
    response = sales.get(CLIENTS, HTTP_ORIGIN="http://localhost:5173")
    assert response["Access-Control-Allow-Origin"] == "http://localhost:5173"
    assert response["Access-Control-Expose-Headers"] == EXPOSED
    assert "Access-Control-Allow-Credentials" not in response
    assert "origin" in response["Vary"].lower()


def test_a_page_reads_why_it_is_refused(world: World, sales: Caller, support: Caller, settings: Any) -> None:
    origin: dict[str, Any] = {"HTTP_ORIGIN": OURS}
    answers = [
        (401, Caller().get(CLIENTS, **origin)),
        (403, support.post(CLIENTS, {}, **origin)),
        (404, sales.get(API + "nowhere/", **origin)),
        (405, sales.delete(CLIENTS, **origin)),
        (400, sales.get(CLIENTS, HTTP_HOST="evil.example", **origin)),
        (413, sales.generic("POST", CLIENTS, b" " * 2**21, content_type="application/json", **origin)),
    ]
    with failing(OperationalError("server closed the connection")):
        answers.append((503, sales.get(CLIENTS, **origin)))
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"anonymous": (1, 86_400)}
    answers += [(200, Caller().get(API, **origin)), (429, Caller().get(API, **origin))]
    for status, response in answers:
        assert response.status_code == status
        assert response["Access-Control-Allow-Origin"] == OURS, status
        assert response["Access-Control-Expose-Headers"] == EXPOSED


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://app.epic.example", "https://app.epic.example:8443", "https://APP.epic.example", "https://app.epic.example.evil.example",
     "https://evil.example#https://app.epic.example", "null", "*", "", "https://", "https://[", "é", "\x00"],
)  # fmt: skip
def test_another_origin_is_told_nothing(origin: str, world: World, sales: Caller) -> None:
    for response in (sales.get(CLIENTS, HTTP_ORIGIN=origin), preflight(sales, origin=origin)):
        assert not granted(response)
        assert "origin" in response["Vary"].lower()


def test_only_the_api_has_it(world: World, sales: Caller) -> None:
    for path in (
        "/health/live/",
        "/hidden-admin/login/",
        "/.well-known/jwks.json",
        "/admin/login/",
        "/account/forgotten/",
    ):
        assert not granted(sales.get(path, HTTP_ORIGIN=OURS)), path


def test_cookies_open_nothing(world: World) -> None:
    stranger = Caller()
    stranger.cookies["eecrm_session"] = "x"
    assert stranger.get(CLIENTS, HTTP_ORIGIN=OURS).status_code == 401


def test_nobody_is_listed_unless_somebody_says_so() -> None:
    from config import cors_settings

    assert cors_settings.CORS_ALLOWED_ORIGINS == []
