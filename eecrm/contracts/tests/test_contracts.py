from typing import Any

import pytest

from access.database import acting_as
from access.policy import Role
from conftest import API, Caller, World, make_contract

BODY = {"name": "Spring gala", "amount": "12500.00", "payment_due": "2027-04-01"}


def draft(world: World) -> str:
    return f"{API}contracts/{world.own_draft.pk}/"


def signed(world: World) -> str:
    return f"{API}contracts/{world.own_signed.pk}/"


def test_a_contract_is_made_below_its_client(world: World, sales: Caller) -> None:
    response = sales.post(f"{API}clients/{world.own_client.pk}/contracts/", BODY)
    row = response.json()
    assert response.status_code == 201
    assert response["Location"] == row["url"]
    assert row == BODY | {
        "id": row["id"],
        "url": f"http://testserver/api/v1/clients/{world.own_client.pk}/contracts/{row['id']}/",
        "client": {"id": world.own_client.pk, "company_name": "Own Company"},
        "sales_contact": {"id": world.users["sales"].pk, "name": "Sales Person"},
        "status": "draft",
        "currency": "EUR",
        "signed_at": None,
        "created_at": row["created_at"],
        "updated_at": row["created_at"],
        "version": 1,
    }
    assert sales.get(f"{API}contracts/{row['id']}/").json() == row


@pytest.mark.parametrize(
    "amount",
    ["0", "0.00", "-1", "-0.01", "0.001", "10000000000", "NaN", "sNaN", "Infinity", "-Infinity", "1e400", "1E+3000", "", " ", "ten", None,
     True, [], {}, ["1"], "1,5", "0x10", "1_000.5.5"],
)  # fmt: skip
def test_an_amount_is_a_positive_decimal_with_two_places(amount: Any, world: World, sales: Caller) -> None:
    response = sales.patch(draft(world), {"amount": amount})
    assert response.status_code == 400, response.content
    assert response.json()["errors"][0]["pointer"] == "#/amount"


@pytest.mark.parametrize(
    ("amount", "stored"), [("0.01", "0.01"), (12, "12.00"), ("9999999999.99", "9999999999.99"), ("1.5", "1.50")]
)
def test_amounts_within_bounds_are_kept_exactly(amount: Any, stored: str, world: World, sales: Caller) -> None:
    assert sales.patch(draft(world), {"amount": amount}).json()["amount"] == stored


@pytest.mark.parametrize(
    "due",
    [
        "1999-12-31",
        "2100-01-01",
        "9999-12-31",
        "0001-01-01",
        "10000-01-01",
        "2027-02-30",
        "2027-6-1",
        "20270601",
        "2027-W05-1",
        "01/06/2027",
        "tomorrow",
        20270101,
        "2027-01-01T00:00:00Z",
        None,
    ],
)
def test_a_payment_is_due_on_a_day_within_this_century(due: Any, world: World, sales: Caller) -> None:
    response = sales.patch(draft(world), {"payment_due": due})
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "#/payment_due"


@pytest.mark.parametrize(
    "change",
    [
        {"currency": "USD"},
        {"status": "lost"},
        {"name": ""},
        {"name": "x" * 201},
        {"client": 1},
        {"client_id": 1},
        {"sales_contact_id": 1},
        {"signed_at": "2027-01-01T00:00:00Z"},
    ],
)
def test_what_a_contract_cannot_be_is_named(change: dict[str, Any], world: World, sales: Caller) -> None:
    response = sales.patch(draft(world), change)
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == f"#/{next(iter(change))}"


def test_signing_notes_the_time_and_freezes_the_amount(world: World, sales: Caller) -> None:
    row = sales.patch(draft(world), {"status": "signed", "amount": "2000.00"}).json()
    assert (row["status"], row["amount"]) == ("signed", "2000.00")
    assert row["signed_at"] is not None
    response = sales.patch(draft(world), {"amount": "1.00"})
    assert (response.status_code, response.json()["rule"]) == (409, "contract_signed_amount_frozen")
    assert sales.patch(draft(world), {"amount": "2000.00", "name": "Renamed"}).json()["name"] == "Renamed"


def test_only_management_amends_and_reopens_what_is_signed(world: World, sales: Caller, management: Caller) -> None:
    response = sales.patch(signed(world), {"status": "draft"})
    assert (response.status_code, response.json()["rule"]) == (409, "contract_signed_stays_signed")
    assert management.patch(signed(world), {"amount": "1.00"}).json()["amount"] == "1.00"
    row = management.patch(signed(world), {"status": "draft"}, HTTP_X_CHANGE_REASON="Signed too early").json()
    assert (row["status"], row["signed_at"]) == ("draft", None)


def test_a_contract_starts_as_a_draft(world: World, sales: Caller) -> None:
    path = f"{API}clients/{world.own_client.pk}/contracts/"
    assert sales.post(path, BODY | {"status": "draft"}).status_code == 201
    response = sales.post(path, BODY | {"status": "signed"})
    assert (response.status_code, response.json()["rule"]) == (409, "contract_starts_as_draft")


def test_permission_is_decided_before_state(world: World, other_sales: Caller) -> None:
    assert other_sales.patch(signed(world), {"amount": "1.00"}).status_code == 403
    assert other_sales.patch(signed(world), {"status": "draft"}).status_code == 403
    assert other_sales.delete(signed(world)).status_code == 403
    assert (
        other_sales.post(f"{API}clients/{world.own_client.pk}/contracts/", {"amount": "not even valid"}).status_code
        == 403
    )


def test_a_signed_contract_is_deleted_by_management_only(world: World, sales: Caller, management: Caller) -> None:
    with acting_as(Role.SUPERUSER):
        contract = make_contract(world.own_client, "No events", signed=True)
    path = f"{API}contracts/{contract.pk}/"
    assert sales.delete(path).json()["rule"] == "contract_signed_stays"
    assert management.delete(path).status_code == 204
    assert management.delete(signed(world)).json()["rule"] == "contract_has_events"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=draft", {"Own draft", "Other draft"}),
        ("client={client}", {"Own draft", "Own gala"}),
        ("client_company_name=OWN COMPANY", {"Own draft", "Own gala"}),
        ("client_email=ann.own.company@own.example", {"Own draft", "Own gala"}),
        ("amount_min=1500", {"Own draft", "Other draft", "Own gala", "Other gala"}),
        ("amount_min=1500.01", set()),
        ("amount_max=1499.99", set()),
        ("payment_due_after=2027-05-01&payment_due_before=2027-05-01&mine=true", {"Own draft", "Own gala"}),
        ("payment_due_before=2027-04-30", set()),
        ("overdue=true", {"Late"}),
        ("overdue=false&mine=true&status=signed", {"Own gala"}),
        ("mine=true&status=signed", {"Own gala", "Late"}),
        ("sales_contact={contact}&status=draft", {"Other draft"}),
        ("search=gala", {"Own gala", "Other gala"}),
        ("search=own gala", {"Own gala"}),
        ("search=other", {"Other draft", "Other gala"}),
        ("search=ann.own.company@own.example gala", {"Own gala"}),
    ],
)
def test_filters_filter(query: str, found: set[str], world: World, sales: Caller) -> None:
    if "overdue" in query or query == "mine=true&status=signed":
        with acting_as(Role.SUPERUSER):
            make_contract(world.own_client, "Late", signed=True, payment_due="2026-01-31")
            make_contract(world.other_client, "Late draft owes nothing", payment_due="2026-01-31")
    query = query.format(client=world.own_client.pk, contact=world.users["other_sales"].pk)
    response = sales.get(f"{API}contracts/?{query}")
    assert {row["name"] for row in response.json()["results"]} == found


@pytest.mark.parametrize(
    "query",
    [
        "amount_min=NaN",
        "amount_max=1e999",
        "amount_min=abc",
        "client=abc",
        "payment_due_after=2027-13-01",
        "overdue=2",
        "unassigned=true",
        "starts_after=2027-01-01T00:00:00Z",
    ],
)
def test_a_wrong_parameter_is_named(query: str, world: World, sales: Caller) -> None:
    response = sales.get(f"{API}contracts/?{query}")
    assert response.json()["errors"][0]["pointer"] == "?" + query.split("=")[0]


def test_the_nested_list_holds_the_clients_own_contracts(world: World, sales: Caller) -> None:
    rows = sales.get(f"{API}clients/{world.own_client.pk}/contracts/").json()["results"]
    assert {row["name"] for row in rows} == {"Own draft", "Own gala"}
