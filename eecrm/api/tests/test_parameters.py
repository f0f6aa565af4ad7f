"""Each query parameter that the OpenAPI document declares: empty, repeated, with several values, and with a wrong one."""

from collections.abc import Iterator
from typing import Any

import pytest

from access.database import acting_as
from access.policy import Role
from access.tests.paths import address
from api.tests import corpus
from conftest import API, Caller, World, make_event

# These take several values, or text in which a comma is a character like others.
# By parameter, and by the last step of the path where lists differ.
SEVERAL = {
    "status": {"clients": "prospect,client", "contracts": "draft,signed", "events": "created,closed"},
    "types": {"": "client,event"}, "search": {"": "own,other"}, "request_id": {"": "a,b"},
    "ordering": {"": "-created_at,-id", "sales-contacts": "id", "support-contacts": "id"},
    "company_name": {"": "Lumen, Paris"}, "client_company_name": {"": "Lumen, Paris"},
    "email": {"": "a,b@own.example"}, "client_email": {"": "a,b@own.example"},
}  # fmt: skip
ONE = {"boolean": "true", "date-time": "2027-06-01T18:00:00Z", "date": "2027-06-01"}
# Right values that a refusal shows, by the type and format of the parameter.
SHOWN = {
    ("integer", "int64"): "such as 7", ("integer", None): "1 to 200", ("boolean", None): "true or false", ("number", None): "1250.50",
    ("string", "date-time"): "2027-06-01T18:00:00Z", ("string", "date"): "2027-06-01",
}  # fmt: skip
WRONG = "§"

READS = [one for one in corpus.operations() if one.method == "GET" and corpus.parameters(one, "query")]
each_read = pytest.mark.parametrize("operation", READS, ids=str)


def asked(operation: Any, caller: Caller, world: World, query: str) -> Any:
    return caller.get(f"{corpus.filled(operation.path, world)}?{query}")


def pointers(response: Any) -> list[str]:
    assert response.status_code == 400, response.content
    return [error["pointer"] for error in response.json()["errors"]]


def schemas(operation: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for one in operation.described["parameters"]:
        if one["in"] == "query":
            yield one["name"], one["schema"]


@each_read
def test_no_parameter_is_empty_but_search_and_none_is_given_twice(
    operation: Any, world: World, management: Caller
) -> None:
    """Read as none at all, or as the last one, it would list other rows than were asked for."""
    for name in corpus.parameters(operation, "query"):
        for empty in (f"{name}=", name, f"{name}=%20", f"{name}=%09", f"{name}=+", f"{name}=%E2%80%8B"):
            response = asked(operation, management, world, empty)
            if name != "search":
                assert pointers(response) == [f"?{name}"], empty
            elif not empty.endswith("%8B"):
                assert response.json()["results"] == asked(operation, management, world, "").json()["results"]
        for twice in (f"{name}=true&{name}=true", f"{name}=&{name}=", f"{name}=1&{name}"):
            assert pointers(asked(operation, management, world, twice)) == [f"?{name}"], twice


@each_read
def test_a_parameter_takes_several_values_or_refuses_them_by_name(
    operation: Any, world: World, management: Caller
) -> None:
    for name, schema in schemas(operation):
        if name in SEVERAL:
            several = SEVERAL[name].get(operation.path.rstrip("/").rpartition("/")[2]) or SEVERAL[name][""]
            assert asked(operation, management, world, f"{name}={several}").status_code == 200, name
        else:
            value = ONE.get(schema.get("format", schema["type"]), "1")
            assert pointers(asked(operation, management, world, f"{name}={value},{value}")) == [f"?{name}"]


@each_read
def test_a_wrong_value_is_quoted_beside_a_right_one(operation: Any, world: World, management: Caller) -> None:
    for name, schema in schemas(operation):
        kind = schema["type"], schema.get("format")
        if kind == ("string", None) and "pattern" not in schema:
            continue
        (error,) = asked(operation, management, world, f"{name}={WRONG}").json()["errors"]
        assert error["pointer"] == f"?{name}"
        assert f"You sent “{WRONG}”." in error["detail"]
        for shown in (
            [SHOWN[kind]] if kind in SHOWN else schema["pattern"].strip("^()*$-?").partition(")")[0].split("|")
        ):
            assert shown in error["detail"]


def test_a_plus_that_became_a_space_is_named(world: World, sales: Caller) -> None:
    moment = "2027-06-01T18:00:00{}02:00"
    refused = sales.get(f"{API}clients/?created_after={moment.format('+')}")
    assert pointers(refused) == ["?created_after"]
    detail = refused.json()["errors"][0]["detail"]
    assert "“2027-06-01T18:00:00 02:00”" in detail
    assert "%2B" in detail
    assert sales.get(f"{API}clients/?created_after={moment.format('%2B')}").status_code == 200
    assert "%2B" not in sales.get(f"{API}clients/?created_after=2027-06-01T18:00:00").content.decode()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=created", ["Own party"]), ("status=created,closed", ["Closed party", "Own party"]),
        ("status=closed,created,closed", ["Closed party", "Own party"]), ("status=in_progress,closed", ["Closed party"]),
        ("status=created,in_progress&client={other}", []), ("status=created,closed&search=closed", ["Closed party"]),
    ],
)  # fmt: skip
def test_several_values_are_an_or(query: str, found: list[str], world: World, support: Caller) -> None:
    with acting_as(Role.SUPERUSER):
        make_event(world.own_signed, "Closed party", world.users["support"], status="closed")
    query = query.format(other=world.other_client.pk)
    page = support.get(f"{API}events/?{query}&mine=true&count=true").json()
    assert sorted(row["name"] for row in page["results"]) == found
    assert page["count"] == len(found)


@pytest.mark.parametrize(
    "statuses", ["created,", ",created", "created,,closed", "created, closed", "created;closed", "Created"]
)
def test_each_of_several_values_is_one_of_the_list(statuses: str, world: World, sales: Caller) -> None:
    assert pointers(sales.get(f"{API}events/?status={statuses}")) == ["?status"]


def test_each_range_has_two_ends_that_belong_to_it(world: World, management: Caller) -> None:
    for collection, column, low, high in (
        ("clients", "created_at", "created_after", "created_before"), ("events", "created_at", "created_after", "created_before"),
        ("clients", "updated_at", "updated_after", "updated_before"), ("contracts", "updated_at", "updated_after", "updated_before"),
        ("events", "updated_at", "updated_after", "updated_before"), ("events", "starts_at", "starts_after", "starts_before"),
        ("contracts", "amount", "amount_min", "amount_max"), ("contracts", "payment_due", "payment_due_after", "payment_due_before"),
    ):  # fmt: skip
        for row in management.get(f"{API}{collection}/").json()["results"]:
            found = management.get(f"{API}{collection}/?{low}={row[column]}&{high}={row[column]}").json()["results"]
            assert row["id"] in [one["id"] for one in found]
            assert {one[column] for one in found} == {row[column]}


LISTS = (
    "clients/",
    "contracts/",
    "events/",
    "clients/{client}/contracts/",
    "users/sales-contacts/",
    "clients/{client}/history/",
)


def test_a_cursor_continues_its_own_list_and_no_other(world: World, management: Caller) -> None:
    for number in range(2):
        management.patch(address(world.own_client), {"last_name": f"Name {number}"})
    urls = [API + path.format(client=world.own_client.pk) for path in LISTS]
    cursors = {}
    for url in urls:
        following = management.get(f"{url}?page_size=1").json()["next"]
        assert management.get(following).status_code == 200
        cursors[url] = following.partition("cursor=")[2].partition("&")[0]
    for url, cursor in cursors.items():
        assert management.get(f"{url}?cursor={cursor}&page_size=2").status_code == 200
        for other in urls:
            if other != url:
                assert pointers(management.get(f"{other}?cursor={cursor}")) == ["?cursor"], (url, other)
        assert pointers(management.get(f"{API}sync/?cursor={cursor}")) == ["?cursor"]


@pytest.mark.parametrize(
    ("query", "others"),
    [
        ("", ["search=company", "status=client", "mine=true", "ordering=id", "ordering=company_name", "created_after=2020-01-01T00:00:00Z"]),
        ("status=client", ["", "status=prospect,client", "status=client&mine=true", "status=client&ordering=id"]),
        ("search=company", ["", "search=own", "search=company&status=client", "email=x@own.example"]),
        ("ordering=company_name", ["ordering=-company_name", "ordering=last_name", "ordering=company_name&search=own"]),
    ],
)  # fmt: skip
def test_a_cursor_keeps_the_order_the_filters_and_the_search(
    query: str, others: list[str], world: World, management: Caller
) -> None:
    first = management.get(f"{API}clients/?page_size=1&{query}").json()
    cursor = first["next"].partition("cursor=")[2].partition("&")[0]
    for same in (
        query,
        f"{query}&count=true",
        f"{query}&page_size=200",
        *(() if query else ("ordering=-id", "search=")),
    ):
        assert management.get(f"{API}clients/?{same}&cursor={cursor}").status_code == 200, same
    for other in others:
        assert pointers(management.get(f"{API}clients/?{other}&cursor={cursor}")) == ["?cursor"], other
