"""Every route × method of the resolver is on a list that somebody has read: a new one without a line fails."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.urls import URLPattern

from access.checks import routes
from access.tests.paths import body_of
from conftest import Caller, World

PUBLIC = {
    "api/v1/": {"GET"},
    "api/v1/schema/": {"GET"},
    "api/v1/docs/": {"GET"},
    "api/v1/docs/redoc/": {"GET"},
    "api/v1/users/login/": {"POST"},
    "api/v1/users/refresh/": {"POST"},
    ".well-known/jwks.json": {"GET"},
    "api/v1/users/logout/": {"POST"},
    "account/forgotten/": {"GET", "POST"},
    "account/forgotten/sent/": {"GET"},
    "account/address/<token>/": {"GET", "POST"},
    "account/address/done/": {"GET"},
    "account/password/<name>/<token>/": {"GET", "POST"},
    "account/password/done/": {"GET"},
    "account/<path:rest>": {"GET"},
    "health/live/": {"GET"},
    "health/ready/": {"GET"},
}
# The others, which ask who calls: `scripts/checked-lists` writes this list again.
GUARDED = {
    path: set(methods)
    for path, *methods in map(str.split, Path(__file__).with_name("routes.txt").read_text().splitlines())
}
# The decoy, which answers every method as Django's own admin site does (accounts/tests/test_honeypot.py).
DECOY = {
    path: {"GET"}
    for path in (
        "admin", "admin/", "admin/login/", "admin/logout/", "admin/password_change/", "admin/password_change/done/",
        "admin/autocomplete/", "admin/jsi18n/", "admin/r/<path:content_type_id>/<path:object_id>/", "admin/(?P<url>.*)$",
    )
}  # fmt: skip
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def methods_of(pattern: URLPattern) -> set[str]:
    is_page = hasattr(pattern.callback, "view_class") and not hasattr(pattern.callback, "cls")
    names = pattern.callback.view_class.http_method_names if is_page else ["get"]
    return {method.upper() for method in getattr(pattern.callback, "actions", None) or names} - {"HEAD", "OPTIONS"}


def test_every_route_and_method_is_listed() -> None:
    assert {path: methods_of(pattern) for path, pattern in routes()} == PUBLIC | GUARDED | DECOY


def filled(path: str, world: World) -> str:
    event = "events/<id:pk>" in path
    found = (
        path.replace("<uuid:pk>", "0f8fad5b-d9cb-469f-a165-70867728950e")
        .replace("<id:client>", str(world.own_client.pk))
        .replace("<id:contract>", str(world.own_signed.pk))
        .replace(
            "<id:pk>",
            str(world.own_event.pk if event else world.own_signed.pk if "contracts" in path else world.own_client.pk),
        )
    )
    return "/" + re.sub(r"<id:\w+>", "1", found)


@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize("method", METHODS)
def test_nobody_gets_in_without_a_token(path: str, method: str, world: World, anonymous: Caller) -> None:
    response = anonymous.generic(method, filled(path, world))
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", PUBLIC | GUARDED)
def test_other_methods_are_405_and_allow_tells_which_are_not(path: str, world: World, management: Caller) -> None:
    known = (PUBLIC | GUARDED)[path]
    for method in (*METHODS, "TRACE", "PURGE"):
        if method in known:
            continue
        response = management.generic(method, filled(path, world))
        assert response.status_code == 405, (method, path, response.content)
        assert known <= set(response["Allow"].split(", "))


@pytest.mark.parametrize(
    "key", ["0", "01", "-1", "1.0", "1e3", "١", "９", "9223372036854775808", "1" * 40, "%00", "abc", "1%0A"]
)
def test_a_key_is_plain_digits_within_bigint(key: str, world: World, management: Caller) -> None:
    for path in (
        f"clients/{key}/",
        f"contracts/{key}/",
        f"clients/{key}/contracts/",
        f"clients/{world.own_client.pk}/contracts/{key}/",
    ):
        response = management.get(f"/api/v1/{path}")
        assert response.status_code == 404, path
        assert response["Content-Type"] == "application/problem+json"


def wrong_chains(world: World) -> list[str]:
    """Each nested path with a parent, grandparent or both that aren't its own (or don't exist)."""
    own, other, gone = world.own_client.pk, world.other_client.pk, 2**62
    contract, others_contract, draft = world.own_signed.pk, world.other_signed.pk, world.own_draft.pk
    event = world.own_event.pk
    return [
        *(f"clients/{client}/contracts/{contract}/" for client in (other, gone)),
        f"clients/{own}/contracts/{others_contract}/",
        *(f"clients/{client}/contracts/{contract}/events/{event}/" for client in (other, gone)),
        *(f"clients/{own}/contracts/{parent}/events/{event}/" for parent in (others_contract, draft, gone)),
        f"clients/{other}/contracts/{others_contract}/events/{event}/",
        f"clients/{gone}/contracts/{gone}/events/{event}/",
    ]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("name", ["sales", "support", "management", "superuser"])
def test_an_object_below_a_parent_that_is_not_its_own_is_missing(
    method: str, name: str, world: World, caller: Any
) -> None:
    person = caller(name)
    for path in wrong_chains(world):
        response = person.generic(method, f"/api/v1/{path}", "{}", content_type="application/json")
        assert response.status_code == 404, path


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_collection_below_a_wrong_parent_is_missing(method: str, world: World, management: Caller) -> None:
    own, other = world.own_client.pk, world.other_client.pk
    paths = [
        "clients/4611686018427387904/contracts/",
        f"clients/{other}/contracts/{world.own_signed.pk}/events/",
        f"clients/{own}/contracts/{world.other_signed.pk}/events/",
        f"clients/{own}/contracts/4611686018427387904/events/",
    ]
    for path in paths:
        response = getattr(management, method)(f"/api/v1/{path}", body_of("event", world) if method == "post" else None)
        assert response.status_code == 404, path


@pytest.mark.parametrize(
    "name", ["sales", "other_sales", "support", "management", "auditor", "partner", "unlinked", "superuser"]
)
def test_a_list_is_exactly_the_rows_that_can_be_retrieved(name: str, world: World, caller: Any) -> None:
    person = caller(name)
    rows = {
        "clients": (world.own_client, world.other_client),
        "contracts": (world.own_draft, world.other_draft, world.own_signed, world.other_signed),
        "events": (world.own_event, world.other_event),
    }
    for collection, members in rows.items():
        listed = person.get(f"/api/v1/{collection}/?count=true").json()
        one_by_one = {row.pk for row in members if person.get(f"/api/v1/{collection}/{row.pk}/").status_code == 200}
        assert {row["id"] for row in listed["results"]} == one_by_one
        assert listed["count"] == len(one_by_one)
        for row in listed["results"]:
            assert person.get(row["url"]).json() == row


@pytest.mark.parametrize(
    "query",
    ["search=other", "client_company_name=Other Company", "sales_contact={contact}", "ordering=name", "mine=false"],
)
def test_no_query_shows_a_partner_more_than_their_own(query: str, world: World, partner: Caller) -> None:
    query = query.format(contact=world.users["other_sales"].pk)
    listed = partner.get(f"/api/v1/contracts/?count=true&{query}").json()
    assert {row["client"]["id"] for row in listed["results"]} <= {world.own_client.pk}
    assert listed["count"] == len(listed["results"])
