"""Compressed answers: the same JSON, in a form that has a strong tag of its own."""

import gzip
from typing import Any

import pytest

from access.database import acting_as
from access.policy import Role
from conftest import API, PASSWORD, Caller, World

GZIP: dict[str, Any] = {"HTTP_ACCEPT_ENCODING": "gzip, deflate, br"}


@pytest.fixture
def event(world: World) -> str:
    """The address of an object that is large enough."""
    with acting_as(Role.SUPERUSER):
        world.own_event.notes = "Bring a cake. " * 200
        world.own_event.save(update_fields=["notes"])
    return f"{API}events/{world.own_event.pk}/"


def is_compressed(response: Any) -> bool:
    return response.get("Content-Encoding") == "gzip"


def test_the_compressed_form_is_the_plain_one(event: str, sales: Caller) -> None:
    for path in (event, API + "schema/", API):
        plain, small = sales.get(path), sales.get(path, **GZIP)
        assert not is_compressed(plain)
        assert is_compressed(small)
        assert gzip.decompress(small.content) == plain.content
        assert int(small["Content-Length"]) == len(small.content) < len(plain.content)
        assert "accept-encoding" in small["Vary"].lower()
        assert "accept-encoding" in plain["Vary"].lower()


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [("gzip", True), ("GZip;q=0.5", True), ("br;q=1.0, gzip;q=0.8, *;q=0.1", True), ("deflate,gzip", True), ("gzip;q=0.01", True), ("gzip; q=1", True),
     ("gzip;q=0", False), ("gzip; Q=0.000", False), ("gzip ; q=0.0, br", False), ("br", False), ("identity", False), ("", False), ("gzipped", False), ("x-gzip-x", False),
     ("*", False), ("not gzip", False), ("\x00", False)],
)  # fmt: skip
def test_only_for_whoever_takes_it(accepted: str, expected: bool, event: str, sales: Caller) -> None:
    assert is_compressed(sales.get(event, HTTP_ACCEPT_ENCODING=accepted)) == expected


def test_what_is_small_stays_as_it_is(world: World, sales: Caller) -> None:
    response = sales.get(f"{API}clients/{world.own_client.pk}/", **GZIP)
    assert not is_compressed(response)
    assert "-gzip" not in response["ETag"]


def test_each_form_has_a_strong_tag_and_both_are_understood(event: str, sales: Caller) -> None:
    plain, small = sales.get(event)["ETag"], sales.get(event, **GZIP)["ETag"]
    assert small == plain[:-1] + '-gzip"'
    assert sales.get(event, **GZIP)["ETag"] == small, "the same bytes again"
    for tag in (plain, small, f'"1-x", {small}', f"W/{small}"):
        for form in ({}, GZIP):
            response = sales.get(event, HTTP_IF_NONE_MATCH=tag, **form)
            assert (response.status_code, response.content) == (304, b"")
            assert response["ETag"] == tag.removeprefix("W/").split(", ")[-1], "that of the form which the caller has"
            assert "accept-encoding" in response["Vary"].lower()
    assert sales.get(event, HTTP_IF_NONE_MATCH=small.replace("-gzip", "-zip")).status_code == 200


def test_a_write_on_the_tag_of_the_compressed_form(event: str, support: Caller) -> None:
    first = support.get(event, **GZIP)["ETag"]
    changed = support.patch(event, {"name": "Later party"}, HTTP_IF_MATCH=first, **GZIP)
    assert (changed.status_code, is_compressed(changed)) == (200, True)
    assert changed["ETag"] == support.get(event, **GZIP)["ETag"] != first
    stale = support.patch(event, {"name": "Lost party"}, HTTP_IF_MATCH=first, **GZIP)
    assert (stale.status_code, stale.json()["changed"]) == (412, ["name"])
    again = support.patch(event, {"name": "Last party"}, HTTP_IF_MATCH=changed["ETag"])
    assert again.status_code == 200


def test_large_refusals_are_compressed_too(world: World, sales: Caller) -> None:
    response = sales.post(API + "clients/", {f"unknown_{number}": 1 for number in range(50)}, **GZIP)
    assert (response.status_code, is_compressed(response)) == (400, True)
    assert response["Content-Type"] == "application/problem+json"


def test_tokens_are_never_compressed(world: World, anonymous: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.requests.compression.MIN_COMPRESSED_BYTES", 1)
    login = anonymous.post(API + "users/login/", {"username": "sales", "password": PASSWORD}, **GZIP)
    refreshed = anonymous.post(API + "users/refresh/", {"refresh": login.json()["refresh"]}, **GZIP)
    for response in (login, refreshed):
        assert response.status_code == 200
        assert not is_compressed(response)
    assert is_compressed(anonymous.get(API, **GZIP))


def test_pages_and_files_outside_the_api_are_not_this_middlewares(world: World, anonymous: Caller) -> None:
    response = anonymous.get("/hidden-admin/login/", **GZIP)
    assert not is_compressed(response)
