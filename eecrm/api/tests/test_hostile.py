"""Hostile values in every field, parameter, header and path: never a 500, always a document, nothing poisonous stored."""

from itertools import product
from typing import Any

import pytest
from django.db import transaction
from django.test import Client as Browser
from django.test import client

from access.tests.test_routes import filled as route_filled
from api.requests.wsgi_request import UTF8Request
from api.tests import corpus
from api.tests.corpus import Hostile, Operation
from conftest import API, Caller, Visitor, World

PAGES = corpus.undescribed()


@pytest.fixture(autouse=True)
def no_limits(settings: Any) -> None:
    settings.RATE_LIMITS = {name: (1_000_000_000, seconds) for name, (_, seconds) in settings.RATE_LIMITS.items()}


@pytest.fixture(autouse=True)
def as_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "WSGIRequest", UTF8Request)


class Stage:
    """Sends requests, each in a savepoint of its own, and holds the answers to what the document says."""

    def __init__(self, world: World, operation: Operation) -> None:
        self.operation = operation
        self.faults: dict[str, str] = {}  # each with the first request that showed it
        self.callers = {name: Caller.as_user(world.users[name]) for name in corpus.EVERYBODY} | {"anonymous": Caller()}

    def send(self, hostile: Hostile) -> Any:
        headers = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in hostile.headers}
        headers |= {
            name: headers.pop("HTTP_" + name)
            for name in ("CONTENT_TYPE", "CONTENT_LENGTH")
            if "HTTP_" + name in headers
        }
        return self.callers[hostile.by].generic(
            self.operation.method, hostile.address, hostile.body, **({"content_type": hostile.content_type} | headers)
        )

    def try_out(self, hostile: Hostile) -> Any:
        """The answer, where it is one that the document declares (api.tests.published): else a fault is noted."""
        try:
            response = self.send(hostile)
        except AssertionError as fault:
            self.faults.setdefault(str(fault)[:100], f"{hostile!r:.600}: {str(fault):.600}")
            return None
        if response.status_code >= 500:
            self.faults.setdefault(str(response.status_code), f"{hostile!r:.600}: {response.content!r:.300}")
        return response


def read_everything(world: World) -> None:
    """Every list, object, history, copy and admin page, by who sees all and by who sees it masked."""
    for name in ("management", "auditor"):
        person = Caller.as_user(world.users[name])
        for collection in ("clients", "contracts", "events"):
            listed = person.get(f"{API}{collection}/?page_size=200")
            assert listed.status_code == 200
            for row in listed.json()["results"]:
                assert person.get(row["url"] + "history/").status_code == 200, row
        copy = person.get(API + "sync/")
        assert copy.status_code == 200
        assert person.get(f"{API}sync/?cursor={copy.json()['next']}").status_code == 200
    visitor = Visitor()
    visitor.force_login(world.users["other_management"])  # whose password nobody has changed
    for place in ("clients/client", "contracts/contract", "events/event", "accounts/user", "audit/entry"):
        page = visitor.get(f"/hidden-admin/{place}/")
        assert page.status_code == 200, place


@pytest.mark.parametrize("operation", corpus.operations(), ids=str)
def test_no_request_is_a_500_or_leaves_poison(operation: Operation, world: World, record_property: Any) -> None:
    stage, count, accepted, is_read = Stage(world, operation), 0, [], operation.method == "GET"
    for hostile in corpus.hostile_requests(operation, world):
        if is_read:
            response = stage.try_out(hostile)
        else:
            with transaction.atomic():
                response = stage.try_out(hostile)
                transaction.set_rollback(True)
        count += 1
        if response is not None and response.status_code < 300 and not is_read:
            accepted.append(hostile)
    for hostile in {hostile.body: hostile for hostile in accepted}.values():
        stage.try_out(hostile)
    assert not stage.faults
    assert accepted or is_read or "/users/" in operation.path or operation.method == "DELETE", (
        "nothing gets past the form"
    )
    if accepted:
        read_everything(world)
    record_property("hostile", count)


@pytest.mark.parametrize("path", PAGES)
def test_nor_is_one_to_a_page_for_people(path: str, world: World, record_property: Any) -> None:
    browser, address, place = Browser(), route_filled(path, world), PAGES.index(path)
    tails = [f"?next={value}" for value in corpus.QUERY] + corpus.shared(place, [f"?%00={it}" for it in corpus.QUERY])
    if path.endswith("schema/"):
        tails = tails[::10]  # each is written anew
    tails += ["%00", "..", "%2e%2e/", "%ff", "١/", ";a=b", "//", "%0a"]
    found = [(tail, browser.get(address + tail)) for tail in tails]
    bodies = (b"a=%00&a=%FF&username=%00", b"\xff" * 100, b"--x\r\n\r\n", b"")
    for content_type, body in corpus.shared(place, list(product(corpus.TYPES, bodies))):
        found.append((content_type, browser.generic("POST", address, body, content_type=content_type)))
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        found.append((method, browser.generic(method, address, b"\xff" * 100)))
    values = ("\x00", "\xff\xfe", "a" * 9000)
    for name, value in corpus.shared(place, list(product(corpus.EVERY_HEADER, values))):
        found.append((name, browser.get(address, **{"HTTP_" + name.upper().replace("-", "_"): value})))
    assert not [(what, response.status_code) for what, response in found if response.status_code >= 500]
    record_property("hostile", len(found))


@pytest.mark.parametrize("code", sorted({operation.code for operation in corpus.operations()}), ids=" ".join)
def test_each_value_reaches_each_field_and_parameter_of_the_code(code: tuple[str, str], world: World) -> None:
    """Though several operations with this code take turns."""
    kin = [operation for operation in corpus.operations() if operation.code == code]
    sent = [hostile for operation in kin for hostile in corpus.hostile_requests(operation, world)]
    bodies, queries = [one.body for one in sent], {one.address.partition("?")[2] for one in sent}
    for operation in kin:
        assert {it for name in corpus.parameters(operation, "query") for it in corpus.queries(name)} <= queries
        for name in corpus.fields(operation):
            ends = {f'"{name}": {raw}}}'.encode() for raw in corpus.VALUES}
            assert all(any(body.endswith(end) for body in bodies) for end in ends), name


def test_the_hostile_requests_are_many(world: World) -> None:
    assert sum(1 for operation in corpus.operations() for _ in corpus.hostile_requests(operation, world)) >= 12_000
