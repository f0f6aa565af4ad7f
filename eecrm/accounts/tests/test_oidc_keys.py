"""The provider's keys: rotated, withdrawn, out of reach, asked for in storms; and what is no key at all."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
from django.db import connection

from access.database import acting_as
from access.policy import Role
from accounts.login import oidc, oidc_keys
from accounts.models import ExternalIdentity
from accounts.tests.provider import Provider, jwk_of, rsa_key
from conftest import API, PATIENCE, Caller, World

ME = API + "users/me/"
HOUR = 3600


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """`later(31)` is thirty-one seconds later, for the age of the keys."""
    passed = [0.0]
    real = oidc_keys.monotonic
    monkeypatch.setattr(oidc_keys, "monotonic", lambda: real() + passed[0])

    def pass_by(seconds: float) -> None:
        passed[0] += seconds

    return pass_by


@pytest.fixture
def bound(world: World, provider: Provider) -> Provider:
    with acting_as(Role.SUPERUSER):
        ExternalIdentity.objects.create(user=world.users["sales"], issuer=provider.issuer, subject="subject-1")
    return provider


def status(token: str) -> int:
    return int(Caller(HTTP_AUTHORIZATION=f"Bearer {token}").get(ME).status_code)


def test_keys_are_read_once_in_five_minutes(bound: Provider, later: Any) -> None:
    for _ in range(3):
        assert status(bound.token()) == 200
    later(299)
    assert (status(bound.token()), bound.fetches) == (200, 1)
    later(2)
    assert (status(bound.token()), bound.fetches) == (200, 2)


def test_a_new_key_of_the_provider_is_believed_and_a_withdrawn_one_is_not(bound: Provider, later: Any) -> None:
    old, new = bound.token(), bound.token(key=2)
    assert [status(old), bound.fetches] == [200, 1]
    bound.document = {"keys": [jwk_of(1), jwk_of(2)]}
    assert [status(new), status(old), bound.fetches] == [200, 200, 2], "a key used at once gets one more look"
    bound.document = {"keys": [jwk_of(2)]}
    later(301)
    assert [status(new), status(old), bound.fetches] == [200, 401, 4]


def test_after_that_look_a_key_that_may_be_newer_is_a_503_that_counts(
    bound: Provider, later: Any, settings: Any
) -> None:
    """The look may have been used up by anybody who invents key ids."""
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"anonymous": (5, 86_400)}
    assert [status(bound.token()), status(bound.token(headers={"kid": "made-up"})), bound.fetches] == [200, 401, 2]
    bound.document = {"keys": [jwk_of(1), jwk_of(2)]}
    old, new = bound.token(key=2), bound.token(key=2, iat=int(time.time()))
    assert status(old) == 401, "the keys were read after its issue, and this one wasn't there"
    response = Caller(HTTP_AUTHORIZATION=f"Bearer {new}").get(ME)
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert 0 < int(response["Retry-After"]) <= 30
    assert response["Retry-After"] in response.json()["detail"]
    later(int(response["Retry-After"]))
    assert [status(new), bound.fetches] == [200, 3]
    unknown = [bound.token(key=3, iat=int(time.time()) + soon) for soon in (0, 20, 0, 0)]
    assert [status(token) for token in unknown] == [401, 503, 429, 429]


@pytest.mark.parametrize("iat", [0, 31, 3600, 10**400, "soon", None, ...])
def test_a_time_of_issue_that_cannot_be_makes_no_key_newer(iat: Any, bound: Provider) -> None:
    moment = int(time.time()) + iat if isinstance(iat, int) and iat else iat
    assert [status(bound.token()), status(bound.token(headers={"kid": "made-up"}))] == [200, 401]
    assert status(bound.token(key=2, iat=moment)) == 401


def test_a_key_that_changes_under_its_id_is_the_new_one(bound: Provider, later: Any) -> None:
    assert status(bound.token()) == 200
    bound.document = {"keys": [jwk_of(2, kid="key-1")]}
    later(301)
    assert status(bound.token()) == 401
    assert status(bound.token(key=rsa_key(2))) == 200


def answers_500(provider: Provider) -> None:
    provider.status = 500


def redirects(provider: Provider) -> None:
    """To an address where there would be keys."""
    provider.status, provider.headers = 302, {"Location": provider.address + "/elsewhere"}


def says(document: Any) -> Callable[[Provider], None]:
    def spoil(provider: Provider) -> None:
        provider.document = document

    return spoil


def hangs_up(provider: Provider) -> None:
    provider.during = lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)


def talks_nonsense(provider: Provider) -> None:
    provider.during = lambda handler: handler.wfile.write(b"\x16\x03\x01 nonsense\r\n\r\n")


def waits(provider: Provider) -> None:
    """Until the one who asks has gone."""
    provider.during = lambda handler: handler.connection.recv(1)


def drips(start: bytes, drop: bytes = b" ") -> Callable[[Provider], None]:
    """Byte by byte, each in time, for ever."""
    gone = Event()

    def drip(handler: Any) -> None:
        handler.wfile.write(start)
        while True:
            handler.wfile.write(drop)
            gone.wait(0.01)

    return lambda provider: setattr(provider, "during", drip)


BAD_DAYS = {
    "stopped": Provider.stop, "500": answers_500, "redirect": redirects, "hangs up": hangs_up, "nonsense": talks_nonsense, "waits": waits, "drips": drips(b"HTTP/1.0 200 OK\r\n\r\n"),
    "drips a status": drips(b"HTTP/1.0 200"), "drips a header": drips(b"HTTP/1.0 200 OK\r\nX: "),

    "no JSON": says(b"<html>"), "not UTF-8": says(b"\xff\xfe\xfa"), "deep": says(b"[" * 200_000), "empty": says(b""), "list": says([]), "text": says("keys"),
    "number": says(7), "null": says(None), "no keys": says({}), "keys null": says({"keys": None}), "keys object": says({"keys": {"kid": "key-1"}}), "keys empty": says({"keys": []}),
    "too large": says({"keys": [jwk_of(1)], "padding": "x" * 300_000}),
}  # fmt: skip


@contextmanager
def bad_day(name: str, provider: Provider) -> Iterator[None]:
    """Only a provider that would keep us waiting for ever is given up soon: a loaded machine is slow on any day."""
    with pytest.MonkeyPatch.context() as patched:
        if name.startswith(("waits", "drips")):
            patched.setattr(oidc_keys, "FETCH_TIMEOUT_SECONDS", 0.3)
        BAD_DAYS[name](provider)
        yield
        await_the_fetch()


def await_the_fetch() -> None:
    """Until the thread that asks a provider has ended. It may last a little longer than a request waits for it."""
    with oidc.provider_keys._fetching:
        pass


@pytest.mark.parametrize("name", BAD_DAYS)
def test_keys_that_are_known_serve_on_while_the_provider_is_down(
    name: str, bound: Provider, later: Any, caplog: pytest.LogCaptureFixture
) -> None:
    good, unknown = bound.token(), bound.token(key=2)
    assert status(good) == 200
    with bad_day(name, bound):
        for hours in (1, 10, 12):
            later(hours * HOUR)
            assert (status(good), status(unknown)) == (200, 503), hours
            await_the_fetch()
        warnings = [record for record in caplog.records if record.name == "eecrm.oidc"]
        assert len(warnings) == 3
        assert bound.fetches == (1 if name == "stopped" else 4)
        later(2 * HOUR)
        response = Caller(HTTP_AUTHORIZATION=f"Bearer {good}").get(ME)
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert "Retry-After" in response


def test_no_request_waits_for_a_provider_that_is_not_reached(bound: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that is silent, or many addresses that are: urllib's timeout is for each of them."""
    reached, connected, real = Event(), Event(), socket.create_connection

    def connect(*where: Any) -> Any:
        reached.wait(PATIENCE)
        connected.set()
        return real(*where)

    monkeypatch.setattr(oidc_keys, "FETCH_TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(socket, "create_connection", connect)
    assert status(bound.token()) == 503
    assert not connected.is_set()
    reached.set()
    await_the_fetch()


@pytest.mark.parametrize("name", BAD_DAYS)
def test_while_no_key_was_ever_read_it_is_a_503_and_nobody_is_logged_out(
    name: str, bound: Provider, later: Any
) -> None:
    document, status_before = bound.document, bound.status
    with bad_day(name, bound):
        response = Caller(HTTP_AUTHORIZATION=f"Bearer {bound.token()}").get(ME)
        assert (response.status_code, response["Content-Type"]) == (503, "application/problem+json")
        assert response.json()["detail"] == "The keys of the identity provider can't be read: try again in a moment."
        assert "Retry-After" in response
        assert status(bound.token()) == 503
    assert bound.fetches in (0, 1)
    if name != "stopped":
        bound.document, bound.status, bound.during = document, status_before, lambda handler: None
        later(31)
        assert status(bound.token()) == 200


@pytest.mark.parametrize(
    "jwk",
    [
        jwk_of(2, use="enc"), jwk_of(2, use=None), jwk_of(2, alg="RS512"), jwk_of(2, alg="HS256"), jwk_of(2, kty="oct", k="c2VjcmV0"), jwk_of(2, kty="EC"),
        jwk_of(2, n=""), jwk_of(2, n=None), jwk_of(2, n=1), jwk_of(2, n=["x"]), jwk_of(2, n="é"), jwk_of(2, e=""), jwk_of(2, e="AA"), jwk_of(2, e="Ag"), jwk_of(2, n="AQAB"),
        jwk_of(2, kid=None), jwk_of(2, kid=2), jwk_of(2, kid=["key-2"]), {}, [], None, 7, "key-2",
    ],
)  # fmt: skip
def test_what_is_no_key_for_signatures_is_left_out(jwk: Any, bound: Provider) -> None:
    bound.document = {"keys": [jwk, jwk_of(1)]}
    assert status(bound.token()) == 200
    assert status(bound.token(key=2)) == 401


def test_a_short_key_is_left_out(bound: Provider) -> None:
    bound.document = {"keys": [jwk_of(2, bits=1024), jwk_of(1)]}
    assert status(bound.token()) == 200
    with pytest.warns(match="below the minimum"):
        token = bound.token(key=rsa_key(2, 1024), headers={"kid": "key-2"})
    assert status(token) == 401


@pytest.mark.parametrize("members", [{"use": ...}, {"alg": ...}, {"x5c": ["MII"], "x5t": "t"}, {"d": "AQAB"}])
def test_a_key_may_say_less_or_more_of_itself(members: dict[str, Any], bound: Provider) -> None:
    bound.document = {"keys": [{k: v for k, v in jwk_of(1, **members).items() if v is not ...}]}
    assert status(bound.token()) == 200


def test_a_storm_of_unknown_keys_fetches_twice(bound: Provider, later: Any) -> None:
    assert status(bound.token()) == 200
    later(31)
    for number in range(50):
        assert status(bound.token(headers={"kid": f"made-up-{number}"})) == 401
    assert bound.fetches == 3
    later(31)
    assert (status(bound.token(headers={"kid": "made-up"})), bound.fetches) == (401, 4)


@pytest.fixture
def bound_in_the_open(committed_world: World, provider: Provider) -> Iterator[Provider]:
    with acting_as(Role.SUPERUSER):
        user = committed_world.users["sales"]
        ExternalIdentity.objects.create(user=user, issuer=provider.issuer, subject="subject-1")
    yield provider


def alone(token: str) -> int:
    try:
        return status(token)
    finally:
        connection.close()


@pytest.fixture
def held(bound_in_the_open: Provider, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Provider, Event, Event]]:
    """A provider who, once `arrived` is set by a request, answers when `done` is."""
    arrived, done = Event(), Event()
    monkeypatch.setattr(oidc_keys, "FETCH_TIMEOUT_SECONDS", PATIENCE)
    yield bound_in_the_open, arrived, done
    done.set()


def hold(provider: Provider, arrived: Event, done: Event) -> None:
    def wait(handler: Any) -> None:
        arrived.set()
        done.wait(PATIENCE)

    provider.during = wait


def test_while_one_fetches_nobody_waits(held: tuple[Provider, Event, Event], later: Any) -> None:
    provider, arrived, done = held
    assert alone(provider.token()) == 200
    later(31)
    hold(*held)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(alone, provider.token(headers={"kid": "made-up"}))
        assert arrived.wait(PATIENCE)
        made_up = [pool.submit(alone, provider.token(headers={"kid": f"made-up-{n}"})) for n in range(49)]
        known = [pool.submit(alone, provider.token()) for _ in range(8)]
        try:
            assert {future.result(timeout=PATIENCE) for future in made_up} == {503}
            assert {future.result(timeout=PATIENCE) for future in known} == {200}
            assert not first.done()
        finally:
            done.set()
        assert first.result(timeout=PATIENCE) == 401
    assert provider.fetches == 2


def test_while_the_first_one_ever_fetches_the_others_may_come_again(held: tuple[Provider, Event, Event]) -> None:
    provider, arrived, done = held
    hold(*held)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(alone, provider.token())
        assert arrived.wait(PATIENCE)
        try:
            assert pool.submit(alone, provider.token()).result(timeout=PATIENCE) == 503
            assert not first.done()
        finally:
            done.set()
        assert first.result(timeout=PATIENCE) == 200
    assert provider.fetches == 1
