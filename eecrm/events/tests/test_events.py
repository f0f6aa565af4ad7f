from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from access.database import acting_as
from access.policy import Role
from conftest import API, Caller, World, make_event

BODY = {"name": "Garden party", "starts_at": "2027-06-01T18:00:00Z", "attendees": 120}


def below(world: World) -> str:
    return f"{API}clients/{world.own_client.pk}/contracts/{world.own_signed.pk}/events/"


@pytest.fixture
def address(world: World) -> str:
    return f"{API}events/{world.own_event.pk}/"


def test_an_event_is_made_below_its_signed_contract(world: World, sales: Caller) -> None:
    response = sales.post(below(world), BODY | {"support_contact_id": world.users["support"].pk, "location": "Lyon"})
    row = response.json()
    assert response.status_code == 201
    assert response["Location"] == row["url"]
    assert row == {
        "id": row["id"],
        "url": f"http://testserver{below(world)}{row['id']}/",
        "contract": {"id": world.own_signed.pk, "name": "Own gala"},
        "client": {"id": world.own_client.pk, "company_name": "Own Company"},
        "support_contact": {"id": world.users["support"].pk, "name": "Support Person"},
        "name": "Garden party",
        "status": "created",
        "attendees": 120,
        "starts_at": "2027-06-01T18:00:00.000000Z",
        "ends_at": None,
        "location": "Lyon",
        "notes": "",
        "created_at": row["created_at"],
        "updated_at": row["created_at"],
        "version": 1,
    }


def test_an_event_may_wait_for_its_support_contact(world: World, sales: Caller, management: Caller) -> None:
    row = sales.post(below(world), BODY).json()
    assert row["support_contact"] is None
    given = management.patch(row["url"], {"support_contact_id": world.users["support"].pk}).json()
    assert given["support_contact"]["id"] == world.users["support"].pk
    assert management.patch(row["url"], {"support_contact_id": None}).json()["support_contact"] is None


@pytest.mark.parametrize("contact", ["sales", "management", "partner", "superuser"])
def test_a_support_contact_is_an_active_support_user(
    contact: str, world: World, management: Caller, address: str
) -> None:
    response = management.patch(address, {"support_contact_id": world.users[contact].pk})
    assert response.json()["errors"] == [
        {
            "pointer": "#/support_contact_id",
            "code": "does_not_exist",
            "detail": f"A support contact is an active support user. You sent {world.users[contact].pk}.",
        }
    ]


def test_an_event_needs_a_signed_contract(world: World, sales: Caller) -> None:
    response = sales.post(f"{API}clients/{world.own_client.pk}/contracts/{world.own_draft.pk}/events/", BODY)
    assert (response.status_code, response.json()["rule"]) == (409, "event_needs_signed_contract")
    assert response.json()["detail"] == "Sign the contract before planning its event."


def test_an_event_starts_as_created(world: World, sales: Caller) -> None:
    response = sales.post(below(world), BODY | {"status": "closed"})
    assert (response.status_code, response.json()["rule"]) == (409, "event_starts_as_created")


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        (["in_progress", "closed"], 200),
        (["closed"], 200),
        (["in_progress", "created"], 409),
        (["closed", "in_progress"], 409),
        (["closed", "closed"], 200),
    ],
)
def test_support_moves_an_event_one_way(steps: list[str], status: int, address: str, support: Caller) -> None:
    for step in steps[:-1]:
        assert support.patch(address, {"status": step}).json()["status"] == step
    assert support.patch(address, {"status": steps[-1]}).status_code == status


def test_a_closed_event_is_read_only_until_management_reopens_it(
    address: str, support: Caller, management: Caller
) -> None:
    support.patch(address, {"status": "closed"})
    for response in (support.patch(address, {"notes": "late"}), support.delete(address)):
        assert (response.status_code, response.json()["rule"]) == (409, "event_closed_read_only")
    assert management.patch(address, {"notes": "by management"}).status_code == 200
    reopened = management.patch(address, {"status": "created"}, HTTP_X_CHANGE_REASON="There is more to do")
    assert reopened.json()["status"] == "created"
    assert support.patch(address, {"notes": "again"}).status_code == 200


def test_support_may_not_give_its_event_away(world: World, address: str, support: Caller, sales: Caller) -> None:
    move = {"support_contact_id": world.users["other_support"].pk}
    assert support.patch(address, move).json()["rule"] == "event.assign.support.none"
    assert support.patch(address, {"support_contact_id": None}).status_code == 403
    assert sales.patch(address, move).json()["rule"] == "event.update.sales.none"
    assert support.patch(address, {"support_contact_id": world.users["support"].pk}).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("starts_at", "1999-12-31T23:59:59Z"), ("starts_at", "2100-01-01T00:00:00Z"), ("starts_at", "9999-12-31T23:59:59Z"),
        ("starts_at", "0001-01-01T00:00:00Z"), ("starts_at", "10000-01-01T00:00:00Z"), ("starts_at", 5),
        ("starts_at", "0001-01-01T00:00:00+14:00"), ("starts_at", "9999-12-31T23:59:59-14:00"),
        ("starts_at", None), ("ends_at", "2020-01-01T00:00:00Z"), ("attendees", -1), ("attendees", 1_000_001), ("attendees", 10**30),
        ("attendees", "many"), ("attendees", True), ("attendees", 1.5), ("attendees", None), ("attendees", 1e30), ("name", ""),
        ("name", None), ("name", ["x"]), ("status", "done"), ("status", None), ("location", "x" * 201), ("notes", "x" * 10_001),
        ("contract", 1), ("contract_id", 1), ("client", 1), ("support_contact_id", "1"), ("support_contact_id", True),
        ("support_contact_id", 1.0), ("support_contact_id", 10**40), ("support_contact_id", 0), ("support_contact_id", {"id": 1}),
    ],
)  # fmt: skip
def test_what_an_event_cannot_be_is_named(field: str, value: Any, address: str, management: Caller) -> None:
    response = management.patch(address, {field: value})
    assert response.status_code == 400, response.content
    assert response.json()["errors"][0]["pointer"] == f"#/{field}"


@pytest.mark.parametrize("field", ["name", "attendees", "starts_at", "support_contact_id", "notes"])
@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" * 5000, "0.1e-9999"])
def test_a_number_that_no_machine_holds_is_refused(field: str, number: str, address: str, management: Caller) -> None:
    response = management.generic("PATCH", address, f'{{"{field}": {number}}}', content_type="application/json")
    assert response.status_code in (200, 400), response.content
    assert "inf" not in management.get(address).json()["name"]


@pytest.mark.parametrize(
    ("moment", "answered"),
    [
        ("2027-03-28T02:30:00+05:30", "2027-03-27T21:00:00.000000Z"), ("2027-03-27T21:00:00Z", "2027-03-27T21:00:00.000000Z"),
        ("2027-03-27t21:00:00.5z", "2027-03-27T21:00:00.500000Z"), ("2027-03-27T21:00:00.123456789-00:00", "2027-03-27T21:00:00.123456Z"),
    ],
)  # fmt: skip
def test_moments_of_any_offset_are_answered_in_one_notation(
    moment: str, answered: str, address: str, support: Caller
) -> None:
    changed = support.patch(address, {"starts_at": moment, "ends_at": moment}).json()
    assert changed["starts_at"] == changed["ends_at"] == answered
    assert support.get(address).json()["starts_at"] == answered
    newest = support.get(f"{address}history/").json()["results"][0]
    assert {change["new"] for change in newest["changes"]} == {answered}


@pytest.mark.parametrize(
    "text",
    [
        "2027-06-01T18:00:00", "2027-06-01T18:00", "2027-06-01", "2027-W05-1", "2027-W05-1T10:00:00Z", "2027-152T18:00:00Z", "20270601T180000Z",
        "2027-06-01 18:00:00Z", "2027-06-01T18:00Z", "2027-06-01T18:00:00,5Z", "2027-06-01T18:00:00+02", "2027-06-01T18:00:00+0200",
        "2027-06-01T18:00:00+02:00:30", "2027-06-01T24:00:00Z", "2027-06-01T18:00:60Z", "2027-02-30T18:00:00Z", "2027-06-01T18:00:00+99:99",
        " 2027-06-01T18:00:00Z", "2027-06-01T18:00:00Z\n", "٢٠٢٧-06-01T18:00:00Z", "2027-06-01T18:00:00[Europe/Paris]", "1796061600", "",
        "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    ],
)  # fmt: skip
def test_what_is_no_moment_with_an_offset_is_refused_everywhere(text: str, address: str, management: Caller) -> None:
    for response, pointer in (
        (management.patch(address, {"starts_at": text}), "#/starts_at"),
        (management.get(f"{API}events/", {"starts_after": text}), "?starts_after"),
        (management.get(f"{API}events/", {"updated_before": text}), "?updated_before"),
        (management.get(f"{address}history/", {"after": text}), "?after"),
    ):
        assert response.status_code == 400, response.content
        (error,) = response.json()["errors"]
        assert error["pointer"] == pointer
        assert text == "" or "2027-06-01T18:00:00Z" in error["detail"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=created", {"Own party", "Other party"}),
        ("status=closed", {"Over"}),
        ("client={client}", {"Own party", "Over", "Waiting"}),
        ("contract={contract}&status=created", {"Own party"}),
        ("client_email=ANN.OWN.COMPANY@own.example&status=closed", {"Over"}),
        ("support_contact={contact}", {"Own party", "Over"}),
        ("unassigned=true", {"Waiting"}),
        ("unassigned=false", {"Own party", "Other party", "Over"}),
        ("mine=true", {"Own party", "Over"}),
        ("mine=false", {"Other party", "Waiting"}),
        ("starts_after={soon}", {"Own party", "Other party"}),
        ("starts_before={soon}", {"Over", "Waiting"}),
        ("search=party", {"Own party", "Other party"}),
        ("search=own gala over", {"Over"}),
        ("search=company other", {"Other party"}),
        ("search=lyon", {"Over"}),
    ],
)
def test_filters_filter(query: str, found: set[str], world: World, support: Caller) -> None:
    past = timezone.now() - timedelta(days=9)
    with acting_as(Role.SUPERUSER):
        make_event(
            world.own_signed, "Over", world.users["support"], status="closed", starts_at=past, location="Lyon, Halle 6"
        )
        make_event(world.own_signed, "Waiting", None, status="in_progress", starts_at=past)
    query = query.format(
        client=world.own_client.pk, contract=world.own_signed.pk, contact=world.users["support"].pk,
        soon=(timezone.now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )  # fmt: skip
    response = support.get(f"{API}events/?{query}")
    assert {row["name"] for row in response.json()["results"]} == found, response.content


def test_a_sales_contacts_own_events_are_those_of_their_clients(world: World, sales: Caller, partner: Caller) -> None:
    for person in (sales, partner):
        assert [row["name"] for row in person.get(API + "events/?mine=true").json()["results"]] == ["Own party"]
