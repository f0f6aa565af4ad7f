import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access.database import acting_as
from access.policy import Role
from access.tests.paths import address
from conftest import API, Caller, World, make_client, make_contract, make_event

LIST = API + "clients/"


def statements(captured: Any) -> list[str]:
    """What a request costs, without the brackets that the test's transaction puts around it."""
    return [query["sql"] for query in captured if "SAVEPOINT" not in query["sql"] and "'none'" not in query["sql"]]


@pytest.fixture
def many(world: World) -> list[int]:
    """Twenty more clients, some of them alike in the fields that lists are ordered by."""
    with acting_as(Role.SUPERUSER):
        rows = [
            make_client(
                f"Company {index % 4}",
                world.users["sales"],
                email=f"person{index}@many.example",
                created_at=datetime(2026, 1, 1 + index % 7, tzinfo=UTC),
            )
            for index in range(20)
        ]
    return [row.pk for row in rows] + [world.own_client.pk, world.other_client.pk]


def names(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [row["company_name"] for row in response.json()["results"]]


def walk(person: Caller, query: str, link: str = "next") -> list[list[int]]:
    """The pages from the first one on, as keys."""
    pages, address = [], LIST + query
    while address:
        page = person.get(address).json()
        pages.append([row["id"] for row in page["results"]])
        address = page[link]
    return pages


@pytest.mark.parametrize(
    "ordering",
    ["", "id", "-id", "company_name", "-company_name", "created_at", "company_name,-id", "-last_name,created_at"],
)
def test_pages_hold_every_row_once_in_order(ordering: str, many: list[int], sales: Caller) -> None:
    query = f"?page_size=4&ordering={ordering}" if ordering else "?page_size=4"
    pages = walk(sales, query)
    whole = [row["id"] for row in sales.get(LIST + query.replace("=4", "=200", 1)).json()["results"]]
    assert [len(page) for page in pages] == [4, 4, 4, 4, 4, 2]
    assert sum(pages, []) == whole
    assert sorted(whole) == sorted(many)


def test_previous_leads_back_to_the_first_page(many: list[int], sales: Caller) -> None:
    first = sales.get(LIST + "?page_size=5&ordering=company_name").json()
    second = sales.get(first["next"]).json()
    third = sales.get(second["next"]).json()
    assert first["previous"] is None
    back = sales.get(third["previous"]).json()
    assert back["results"] == second["results"]
    assert back["next"] is not None
    again = sales.get(back["previous"]).json()
    assert again["results"] == first["results"]
    assert again["previous"] is None


def test_a_row_that_comes_in_between_shifts_no_page(many: list[int], world: World, sales: Caller) -> None:
    first = sales.get(LIST + "?page_size=5").json()
    with acting_as(Role.SUPERUSER):
        make_client("Newcomer", world.users["sales"])
    second = sales.get(first["next"]).json()
    assert not {row["id"] for row in first["results"]} & {row["id"] for row in second["results"]}


def test_links_are_absolute_and_keep_the_query(many: list[int], sales: Caller) -> None:
    link = sales.get(LIST + "?page_size=5&status=client&search=company").json()["next"]
    assert link.startswith("http://testserver/api/v1/clients/?")
    for part in ("page_size=5", "status=client", "search=company", "cursor="):
        assert part in link


def test_count_comes_only_when_asked_for(many: list[int], sales: Caller) -> None:
    assert "count" not in sales.get(LIST).json()
    assert "count" not in sales.get(LIST + "?count=false").json()
    assert sales.get(LIST + "?count=true&page_size=3").json()["count"] == len(many)
    assert sales.get(LIST + "?count=true&search=other").json()["count"] == 1


def test_an_empty_list_is_a_page(world: World, unlinked: Caller) -> None:
    assert unlinked.get(LIST).json() == {"next": None, "previous": None, "results": []}


@pytest.mark.parametrize(
    "query",
    [
        "page_size=0", "page_size=201", "page_size=-1", "page_size=x", "page_size=", "page_size=١", "page_size=1e2",
        "ordering=", "ordering=email", "ordering=password", "ordering=-", "ordering=id,id", "ordering=sales_contact__password",
        "cursor=x", "cursor=AAAA", "cursor=%00", "cursor=W10", "cursor=bnVsbA", "cursor=W2ZhbHNlLCIxIl0x", "count=1", "count=yes",
        "bogus=1", "status=open", "sales_contact=abc", "sales_contact=0", "sales_contact=-1", "sales_contact=99999999999999999999",
        "mine=1", "mine=maybe", "created_after=yesterday", "created_before=2026-13-01", "updated_after=x", "email=%00",
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(query: str, world: World, sales: Caller) -> None:
    response = sales.get(f"{LIST}?{query}")
    assert response.status_code == 400, response.content
    assert [error["pointer"] for error in response.json()["errors"]] == ["?" + query.split("=")[0]]


def test_an_unknown_parameter_lists_the_known_ones(world: World, sales: Caller) -> None:
    detail = sales.get(LIST + "?stauts=client").json()["errors"][0]["detail"]
    for known in (
        "status",
        "company_name",
        "email",
        "sales_contact",
        "mine",
        "search",
        "ordering",
        "page_size",
        "cursor",
        "count",
    ):
        assert known in detail


@pytest.mark.parametrize(
    "position",
    [[False, "a\0b", 1], [False, "a", -1], [False, "a", 2**63], [False, "a", 1.5], [False, "a", True], [False, 5, "x"], [False, None, 1],
     [False, ["a"], 1], [False, "a" * 300, 1], ["no", "a", 1], [False, "a"], [False, "a", 1, 2], {"a": 1}, "a", 1, None],
)  # fmt: skip
def test_a_forged_cursor_is_refused(position: Any, world: World, sales: Caller) -> None:
    link = sales.get(f"{LIST}?ordering=company_name&page_size=1").json()["next"]
    digest, *right = json.loads(base64.urlsafe_b64decode(parse_qs(urlsplit(link).query)["cursor"][0] + "=="))
    for forged, status in (
        ([digest, *right], 200),
        ([digest, *position] if isinstance(position, list) else position, 400),
    ):
        cursor = base64.urlsafe_b64encode(json.dumps(forged).encode()).decode()
        response = sales.get(f"{LIST}?ordering=company_name&cursor={cursor}")
        assert response.status_code == status, response.content
    assert response.json()["errors"][0]["pointer"] == "?cursor"


def test_a_cursor_of_another_ordering_is_refused(many: list[int], sales: Caller) -> None:
    link = sales.get(LIST + "?page_size=2&ordering=company_name").json()["next"]
    response = sales.get(link.replace("ordering=company_name", "ordering=id"))
    assert response.json()["errors"][0]["pointer"] == "?cursor"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=client", ["Other Company", "Own Company"]),
        ("status=prospect", []),
        ("company_name=own company", ["Own Company"]),
        ("company_name=own", []),
        ("email=ANN.own.company@own.EXAMPLE", ["Own Company"]),
        ("mine=true", ["Own Company"]),
        ("mine=false", ["Other Company"]),
        ("sales_contact={sales}", ["Own Company"]),
        ("sales_contact=999999", []),
        ("status=client&mine=true", ["Own Company"]),
        ("search=own", ["Own Company"]),
        ("search=OW COMP", ["Own Company"]),
        ("search=ann doe", ["Other Company", "Own Company"]),
        ("search=ann.own.company@own.example", ["Own Company"]),
        ("search=wn", []),
        ("search=%26|!:*'", []),
        ("search=", ["Other Company", "Own Company"]),
    ],
)
def test_filters_filter(query: str, found: list[str], world: World, sales: Caller) -> None:
    assert names(sales.get(f"{LIST}?{query.format(sales=world.users['sales'].pk)}")) == found


def test_both_ends_of_a_time_range_belong_to_it(world: World, sales: Caller) -> None:
    row = sales.get(f"{LIST}{world.own_client.pk}/").json()
    for name in ("created_after", "created_before", "updated_after", "updated_before"):
        assert row["company_name"] in names(sales.get(LIST, {name: row["created_at"]}))
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert names(sales.get(LIST, {"created_after": later})) == []
    assert len(names(sales.get(LIST, {"created_before": later}))) == 2


@pytest.mark.parametrize(
    ("collection", "query"),
    [
        ("clients", ""),
        ("contracts", ""),
        ("events", ""),
        ("contracts", "?mine=true&search=own"),
        ("events", "?unassigned=false"),
    ],
)
def test_a_list_costs_two_statements_for_few_rows_and_for_many(
    collection: str, query: str, world: World, sales: Caller
) -> None:
    sales.get(f"{API}users/me/")  # with the first one a worker takes requests of the limit, by the dozen
    with CaptureQueriesContext(connection) as few:
        sales.get(f"{API}{collection}/{query}")
    with acting_as(Role.SUPERUSER):
        for index in range(20):
            client = make_client(f"Own Company {index}", world.users["sales"], email=f"own{index}@many.example")
            make_event(make_contract(client, f"Own {index}", signed=True), f"Own {index}", world.users["support"])
    with CaptureQueriesContext(connection) as many:
        assert len(sales.get(f"{API}{collection}/{query}").json()["results"]) >= 20
    assert len(statements(few)) == len(statements(many)) == 2, statements(many)  # who is calling, and the page


@pytest.mark.parametrize("name", ["own_client", "own_draft", "own_event"])
def test_a_retrieval_costs_two_statements(name: str, world: World, sales: Caller) -> None:
    sales.get(f"{API}users/me/")  # as above
    with CaptureQueriesContext(connection) as queries:
        assert sales.get(address(getattr(world, name))).status_code == 200
    assert len(statements(queries)) == 2


def test_a_search_has_an_end(sales: Caller) -> None:
    assert sales.get(LIST, {"search": "é" * 200}).status_code == 200
    response = sales.get(LIST, {"search": "é" * 201})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (400, "?search")
