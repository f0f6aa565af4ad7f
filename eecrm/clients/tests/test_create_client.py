from typing import Any

import pytest

from conftest import API, Caller, World

BODY = {"company_name": "Bloom & Fils", "first_name": "Léa", "last_name": "Bloom", "email": "lea@bloom.example"}


def test_who_creates_a_client_is_its_sales_contact(world: World, sales: Caller) -> None:
    response = sales.post(API + "clients/", BODY | {"phone": "+33 1 99 00 56 78", "mobile": ""})
    row = response.json()
    assert response.status_code == 201
    assert response["Location"] == row["url"] == f"http://testserver/api/v1/clients/{row['id']}/"
    assert row == BODY | {
        "id": row["id"],
        "url": row["url"],
        "status": "prospect",
        "phone": "+33199005678",
        "mobile": "",
        "sales_contact": {"id": world.users["sales"].pk, "name": "Sales Person"},
        "created_at": row["created_at"],
        "updated_at": row["created_at"],
        "version": 1,
    }
    assert sales.get(row["url"]).json() == row


def test_management_names_the_sales_contact(world: World, management: Caller) -> None:
    assert management.post(API + "clients/", BODY).json()["errors"] == [
        {"pointer": "#/sales_contact_id", "code": "required", "detail": "Name the client's sales contact."}
    ]
    response = management.post(API + "clients/", BODY | {"sales_contact_id": world.users["other_sales"].pk})
    assert response.status_code == 201
    assert response.json()["sales_contact"]["id"] == world.users["other_sales"].pk


@pytest.mark.parametrize("contact", ["support", "management", "partner", "superuser"])
def test_a_sales_contact_is_an_active_sales_user(contact: str, world: World, management: Caller) -> None:
    response = management.post(API + "clients/", BODY | {"sales_contact_id": world.users[contact].pk})
    assert response.status_code == 400
    sentence = f"A sales contact is an active sales user. You sent {world.users[contact].pk}."
    assert response.json()["errors"][0]["detail"] == sentence


def test_an_email_address_is_used_once_ignoring_case(world: World, sales: Caller) -> None:
    response = sales.post(API + "clients/", BODY | {"email": "ANN.own.company@OWN.example"})
    assert response.status_code == 409
    assert response.json()["rule"] == "client_email_unique"
    assert response.json()["detail"] == "A client with this email address exists already."
    assert sales.get(API + "clients/?company_name=Bloom %26 Fils").json()["results"] == []


def test_a_client_starts_as_a_prospect(world: World, sales: Caller) -> None:
    assert sales.post(API + "clients/", BODY | {"status": "prospect"}).status_code == 201
    response = sales.post(API + "clients/", BODY | {"status": "client", "email": "b@bloom.example"})
    assert (response.status_code, response.json()["rule"]) == (409, "client_starts_as_prospect")


@pytest.mark.parametrize("missing", list(BODY))
def test_names_and_email_are_required(missing: str, world: World, sales: Caller) -> None:
    without = {name: value for name, value in BODY.items() if name != missing}
    for body, code in (
        (without, "required"),
        (BODY | {missing: ""}, "blank"),
        (BODY | {missing: "  "}, "blank"),
        (BODY | {missing: None}, "null"),
    ):
        response = sales.post(API + "clients/", body)
        assert response.status_code == 400
        assert [(error["pointer"], error["code"]) for error in response.json()["errors"]] == [(f"#/{missing}", code)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", 1), ("url", "x"), ("version", 9), ("created_at", "2020-01-01T00:00:00Z"), ("sales_contact", {"id": 1}),
        ("is_superuser", True), ("role", "management"), ("account", 1), ("search", "x"), ("bogus", None),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be_written_is_named(field: str, value: Any, world: World, sales: Caller) -> None:
    for response in (
        sales.post(API + "clients/", BODY | {field: value}),
        sales.patch(f"{API}clients/{world.own_client.pk}/", {field: value}),
    ):
        assert response.status_code == 400
        assert [error["pointer"] for error in response.json()["errors"]] == [f"#/{field}"]


@pytest.mark.parametrize(
    "phone", ["12", "0199001234", "+33", "+33 1 99 00 12 34 56 78", "phone", 33199001234, True, [], {}]
)
def test_a_phone_that_is_no_e164_number_is_refused(phone: Any, world: World, sales: Caller) -> None:
    response = sales.post(API + "clients/", BODY | {"phone": phone})
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "#/phone"


def test_a_salesperson_cannot_create_a_client_for_a_colleague(world: World, sales: Caller) -> None:
    response = sales.post(API + "clients/", BODY | {"sales_contact_id": world.users["other_sales"].pk})
    assert (response.status_code, response.json()["rule"]) == (403, "client.create.sales.own")
    assert sales.get(f"{API}clients/?email={BODY['email']}").json()["results"] == []
    response = sales.post(API + "clients/", BODY | {"sales_contact_id": world.users["sales"].pk})
    assert response.status_code == 201
