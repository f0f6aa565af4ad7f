"""Limits of requests: shared by all workers, told in headers, not fooled by anything that a client writes."""

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import OperationalError, ProgrammingError, connection
from django.test.utils import CaptureQueriesContext

from api.requests import limits
from api.requests.limits import Limit, take
from conftest import API, PASSWORD, Caller, World

CLIENTS, ME = API + "clients/", API + "users/me/"


@pytest.fixture
def few(settings: Any) -> dict[str, tuple[int, float]]:
    """Five of each a day, so that nothing refills while a test runs."""
    tight = {name: (5, 86_400) for name in ("anonymous", "read", "write")}
    settings.RATE_LIMITS = settings.RATE_LIMITS | tight | {"read.external": (3, 86_400)}
    return settings.RATE_LIMITS


def empties(limit: Limit, whose: str) -> None:
    take((limit, whose, limit.capacity))


def other_worker() -> None:
    limits._leases.clear()


def test_whoever_asks_too_much_is_told_when_to_come_back(few: Any, world: World, sales: Caller) -> None:
    statuses = [sales.get(ME).status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    response = sales.get(ME)
    problem = response.json()
    assert (response.status_code, problem["code"], problem["status"]) == (429, "throttled", 429)
    assert response["Content-Type"] == "application/problem+json"
    assert 17_200 < int(response["Retry-After"]) <= 17_280  # a fifth of a day
    assert f"try again in {response['Retry-After']} s" in problem["detail"]


def test_each_answer_tells_what_is_left(few: Any, world: World, sales: Caller) -> None:
    left = []
    for _ in range(6):
        response = sales.get(ME)
        assert response["RateLimit-Policy"] == '"read";q=5;w=86400'
        left.append(response["RateLimit"].split(";")[1])
    assert left == ["r=4", "r=3", "r=2", "r=1", "r=0", "r=0"]


def test_reading_and_writing_are_counted_apart(few: Any, world: World, sales: Caller) -> None:
    for _ in range(6):
        sales.get(ME)
    assert sales.get(ME).status_code == 429
    response = sales.patch(ME, {"first_name": "Sal"})
    assert (response.status_code, response["RateLimit-Policy"]) == (200, '"write";q=5;w=86400')


@pytest.mark.parametrize("way_out", ["logout-all", "sessions", "password"])
def test_whoever_uses_up_the_limits_of_an_account_keeps_its_owner_from_ending_no_login(
    way_out: str, few: Any, world: World
) -> None:
    thief, owner = Caller.as_user(world.users["sales"]), Caller.as_user(world.users["sales"])
    few["own_logins"] = (5, 86_400)
    for _ in range(6):
        thief.patch(ME, {"nonsense": 1})
        thief.post(f"{ME}password/", {"old_password": "wrong", "new_password": "seven quiet lanterns"})
    assert (thief.patch(ME, {}).status_code, thief.post(f"{API}users/logout-all/").status_code) == (429, 429)
    assert owner.patch(ME, {}).status_code == 429
    match way_out:
        case "logout-all":
            answer = owner.post(f"{API}users/logout-all/")
        case "sessions":
            (session,) = [one for one in owner.get(f"{ME}sessions/").json()["results"] if not one["is_current"]]
            answer = owner.delete(f"{ME}sessions/{session['id']}/")
        case "password":
            answer = owner.post(f"{ME}password/", {"old_password": PASSWORD, "new_password": "seven quiet lanterns"})
    assert answer.status_code == 204, answer.content
    assert thief.get(ME).status_code == 401


def test_a_role_may_have_a_limit_of_its_own(few: Any, world: World, sales: Caller, partner: Caller) -> None:
    assert [partner.get(ME).status_code for _ in range(4)] == [200] * 3 + [429]
    assert sales.get(ME)["RateLimit-Policy"] == '"read";q=5;w=86400'


def test_ones_limit_is_nobody_elses(few: Any, world: World, sales: Caller, other_sales: Caller) -> None:
    for _ in range(6):
        sales.get(ME)
    assert (sales.get(ME).status_code, other_sales.get(ME).status_code) == (429, 200)


def test_another_worker_knows_of_it(few: Any, world: World, sales: Caller) -> None:
    for _ in range(5):
        sales.get(ME)
    other_worker()
    assert sales.get(ME)["RateLimit"].startswith('"read";r=0')  # the first one a worker meets is let in
    assert sales.get(ME).status_code == 429


def test_refusals_count_too(few: Any, world: World, support: Caller) -> None:
    statuses = [support.post(CLIENTS, {}).status_code for _ in range(6)]
    assert statuses == [403] * 5 + [429]


HEADERS = [{}, *({"HTTP_AUTHORIZATION": value} for value in ("Bearer forged", "Basic YTpi", "x", ""))]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize(
    "path", [API, API + "schema/", API + "users/refresh/", "/account/forgotten/", "/hidden-admin/login/"]
)
def test_who_is_not_asked_for_a_token_sends_one_in_vain(
    few: Any, world: World, path: str, header: dict[str, str]
) -> None:
    stranger = Caller(**header)
    assert 429 not in [stranger.get(path).status_code for _ in range(5)]
    assert stranger.get(path).status_code == 429


def test_not_even_a_good_one(few: Any, world: World, sales: Caller) -> None:
    assert [sales.get(API + "schema/").status_code for _ in range(6)] == [200] * 5 + [429]


@pytest.mark.parametrize("header", HEADERS)
def test_without_a_good_token_the_address_is_counted(few: Any, world: World, header: dict[str, str]) -> None:
    stranger = Caller(**header)
    assert [stranger.get(CLIENTS).status_code for _ in range(6)] == [401] * 5 + [429]
    assert Caller(**header, REMOTE_ADDR="192.0.2.7").get(CLIENTS).status_code == 401
    assert Caller(**header, HTTP_X_FORWARDED_FOR="192.0.2.8").get(CLIENTS).status_code == 429


def test_a_good_token_works_from_an_address_that_is_used_up(few: Any, world: World, sales: Caller) -> None:
    for _ in range(7):
        Caller().get(CLIENTS)
    assert Caller().get(API + "docs/").status_code == 429
    assert sales.get(ME).status_code == 200


LIGHT = [
    "/nowhere/",
    "/static/admin/css/base.css",
    "/static/missing.css",
    "/health/live/",
    "/health/ready/",
    "/admin/login/",
    "/admin/x/",
]


def light(path: str, **headers: str) -> int:
    return int(Caller(**headers).head(path).status_code)


@pytest.mark.parametrize("header", [{}, {"HTTP_AUTHORIZATION": "Bearer forged"}])
@pytest.mark.parametrize("path", LIGHT)
def test_what_costs_next_to_nothing_counts_for_the_address(
    few: Any, world: World, path: str, header: dict[str, str]
) -> None:
    assert 429 not in [light(path, **header) for _ in range(5)]
    assert light(path, **header) == 429
    assert light(path, REMOTE_ADDR="192.0.2.7") != 429


@pytest.mark.parametrize("path", [path for path in LIGHT if path != "/health/ready/"])
def test_the_first_ones_cost_no_statement(path: str, settings: Any, world: World) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"anonymous": (100, 86_400)}
    with CaptureQueriesContext(connection) as statements:
        assert 429 not in [light(path) for _ in range(100 // limits.LIGHT_SHARE)]
        assert not [one["sql"] for one in statements if "take_limits" in one["sql"]]
        assert light(path) != 429
        assert len([one["sql"] for one in statements if "take_limits" in one["sql"]]) == 1


def test_a_flood_of_404s_costs_a_statement_for_many(settings: Any, world: World) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"anonymous": (2_000, 86_400)}
    with CaptureQueriesContext(connection) as statements:
        assert {light("/nowhere/") for _ in range(300)} == {404}
    assert (
        len([one["sql"] for one in statements if "take_limits" in one["sql"]]) == 10
    )  # 200 for nothing, then ten at a time


@pytest.mark.parametrize("path", [path for path in LIGHT if path != "/health/ready/"])
def test_without_a_database_they_are_answered_all_the_same(path: str, few: Any, world: World) -> None:
    tries: list[str] = []

    def away(execute: Any, sql: str, params: Any, *rest: Any) -> Any:
        if "take_limits" not in sql:
            return execute(sql, params, *rest)
        tries.append(sql)
        raise OperationalError("server closed the connection")

    few["anonymous"] = (1_000, 86_400)
    with connection.execute_wrapper(away):
        assert not {light(path) for _ in range(130)} & {429, 500, 503}
    assert len(tries) == 6  # 100 for nothing, then one of five


@pytest.mark.parametrize(
    ("proxies", "forwarded", "counted"),
    [
        (0, "203.0.113.5", "127.0.0.1"),
        (1, "203.0.113.5", "203.0.113.5"),
        (1, "evil, 203.0.113.5", "203.0.113.5"),
        (2, "198.51.100.1, 203.0.113.5, 10.0.0.1", "203.0.113.5"),
        (2, "203.0.113.5", "127.0.0.1"),
        (1, "not an address", "127.0.0.1"),
        (1, "", "127.0.0.1"),
        (1, "::ffff:203.0.113.5", "203.0.113.5"),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (1, "fe80::1%eth0", "fe80::/64"),
    ],
)
def test_only_our_own_proxies_are_believed(
    proxies: int, forwarded: str, counted: str, few: Any, settings: Any, world: World
) -> None:
    settings.TRUSTED_PROXIES = proxies
    stranger = Caller(HTTP_X_FORWARDED_FOR=forwarded)
    for _ in range(5):
        stranger.get(CLIENTS)
    with connection.cursor() as cursor:
        cursor.execute("SELECT bucket FROM api_limit")
        assert cursor.fetchall() == [(f"anonymous {counted}",)]


def test_an_exceeded_limit_is_a_security_event(
    few: Any, world: World, sales: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(6):
        sales.get(ME)
    (event,) = [record for record in caplog.records if record.name == "eecrm.security"]
    assert (event.event, event.limit, event.actor) == ("excess_rate_limit_exceeded", "read.sales", sales.user.pk)


@pytest.fixture
def bucket(in_the_open: None) -> Limit:
    """A limit in the open, for several connections at once."""
    return Limit("at once", 20, 86_400)


def test_many_at_once_get_no_more_than_there_is(bucket: Limit) -> None:
    def one(_: int) -> int:
        try:
            return take((bucket, "somebody", 1))[0].granted
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(one, range(64))) == 20


def test_a_bucket_refills_evenly_and_takes_back(db: None) -> None:
    minute = Limit("minute", 6, 60)
    assert take((minute, "x", 4)) == [(4, 2, 0)]
    granted, remaining, wait = take((minute, "x", 5))[0]
    assert (granted, remaining) == (2, 0)
    assert 9 < wait <= 10
    with connection.cursor() as cursor:
        cursor.execute("SELECT take_limits(ARRAY['x'], ARRAY[0], ARRAY[1], ARRAY[1.0])")
    take((minute, "x", -1))
    assert take((minute, "x", 3))[0].granted == 1
    two = take((minute, "y", 1), (minute, "z", 7))
    assert [(one.granted, one.remaining) for one in two] == [(1, 5), (6, 0)]


def test_what_comes_after_a_bucket_with_nothing_left_is_left_alone(db: None) -> None:
    day = Limit("day", 2, 86_400)
    take((day, "b", 2))
    assert [one.granted for one in take((day, "a", 1), (day, "b", 1), (day, "c", 1))] == [1, 0]
    assert [one.granted for one in take((day, "c", 2), (day, "a", -1), (day, "b", -1))] == [2, -1, -1]
    assert [one.granted for one in take((day, "a", 5), (day, "b", 5))] == [2, 1]


@pytest.mark.parametrize(("error", "level"), [(OperationalError, logging.WARNING), (ProgrammingError, logging.ERROR)])
def test_a_limit_that_is_not_counted_is_in_the_log(
    error: type[Exception], level: int, world: World, sales: Caller, caplog: Any
) -> None:
    """Once, a capacity that PostgreSQL's integer didn't hold switched all limits off, and nothing told so."""

    def fail(execute: Any, sql: str, *rest: Any) -> Any:
        if "take_limits" in sql:
            raise error("no such function")
        return execute(sql, *rest)

    with connection.execute_wrapper(fail):
        assert sales.get(ME).status_code == 200
    (told,) = [one for one in caplog.records if one.name == "eecrm.limits"]
    assert (told.levelno, told.message, told.error) == (level, "limits_not_counted", error.__name__)
