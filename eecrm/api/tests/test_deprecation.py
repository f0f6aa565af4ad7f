"""The end of an operation is announced in each of its answers and in the OpenAPI document."""

from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest
from django.urls import path
from drf_spectacular.generators import SchemaGenerator

from api.requests.deprecation import Deprecation
from clients.views import ClientViewSet
from config import urls
from conftest import API, Caller, World
from contracts.views import ContractViewSet

OLD = Deprecation(
    since=datetime(2027, 1, 1, tzinfo=UTC),
    sunset=datetime(2027, 7, 1, tzinfo=UTC),
    link="https://crm.epic.example/changes",
)
OLD_LIST = Deprecation(since=OLD.since, sunset=OLD.sunset, link=OLD.link, methods=("GET",))
HEADERS = {
    "Deprecation": "@1798761600",
    "Sunset": "Thu, 01 Jul 2027 00:00:00 GMT",
    "Link": '<https://crm.epic.example/changes>; rel="deprecation"; type="text/html", '
    '<https://crm.epic.example/changes>; rel="sunset"; type="text/html"',
}


class OldClientViewSet(ClientViewSet):
    """All of it."""

    deprecated = OLD


PATTERNS = [
    path("api/v1/old/clients/", OldClientViewSet.as_view({"get": "list", "post": "create"})),
    path("api/v1/old/contracts/", ContractViewSet.as_view({"get": "list", "post": "create"}, deprecated=OLD_LIST)),
    *urls.urlpatterns,
]


@pytest.fixture
def old(settings: Any) -> None:
    conf: Any = ModuleType("old_urls")
    vars(conf).update(vars(urls) | {"urlpatterns": PATTERNS})
    settings.ROOT_URLCONF = conf


def announced(response: Any) -> dict[str, str]:
    return {name: response[name] for name in HEADERS if name in response}


def test_every_answer_tells_it_errors_too(
    old: None, world: World, sales: Caller, support: Caller, settings: Any
) -> None:
    address = API + "old/clients/"
    answers = {
        200: sales.get(address),
        401: Caller().get(address),
        403: support.post(address, {}),
        405: sales.put(address),
    }
    answers[400] = sales.get(address + "?nonsense=1")
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"anonymous": (1, 86_400)}
    Caller().get(API)
    answers[429] = Caller().get(address)
    for status, response in answers.items():
        assert response.status_code == status
        assert announced(response) == HEADERS, status


def test_one_method_of_one_route_may_be_meant(old: None, world: World, sales: Caller) -> None:
    address = API + "old/contracts/"
    assert announced(sales.get(address)) == announced(sales.head(address)) == HEADERS
    assert announced(sales.put(address)) == {}
    assert announced(sales.get(API + "contracts/")) == {}
    assert announced(sales.get(API + "clients/")) == {}


def test_the_document_tells_it(old: None, world: World) -> None:
    document = SchemaGenerator(patterns=PATTERNS[:2]).get_schema(request=None, public=True)
    clients, contracts = (document["paths"][API + f"old/{name}/"] for name in ("clients", "contracts"))
    for operation in (clients["get"], clients["post"], contracts["get"]):
        assert operation["deprecated"] is True
        for response in operation["responses"].values():
            assert {name: response["headers"][name]["example"] for name in HEADERS} == HEADERS
    assert "deprecated" not in contracts["post"]
    assert not HEADERS.keys() & contracts["post"]["responses"]["201"]["headers"].keys()


def test_a_sunset_comes_after_the_deprecation() -> None:
    with pytest.raises(ValueError, match="RFC 9745"):
        Deprecation(since=OLD.sunset, sunset=OLD.since, link=OLD.link)


def test_a_date_without_a_time_zone_is_no_date() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Deprecation(since=datetime(2027, 1, 1), sunset=datetime(2027, 7, 1), link=OLD.link)
