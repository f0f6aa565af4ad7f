from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.forms import modelform_factory

from access.database import acting_as
from access.policy import Role
from accounts.models import User
from clients.models import Client
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


@pytest.mark.parametrize(
    ("phone", "detail"),
    [
        ("30901820.0", "'30901820.0' has a decimal point, as spreadsheets add it."),
        ("+33612345678.00", "'+33612345678.00' has a decimal point, as spreadsheets add it."),
        ("+493090182012345678", "'+493090182012345678' is too long: a number has at most 15 digits"),
        ("+4930901820 8-17 Uhr", "'+4930901820 8-17 Uhr' isn't a phone number."),
        ("+33199001234 / +33612345678", "'+33199001234 / +33612345678' is more than one number."),
        ("06 12 34 56 78", "'06 12 34 56 78' can't be read without a country."),
        ("+3319900123", "'+3319900123' isn't a valid phone number."),
    ],
)
@pytest.mark.parametrize("field", ["phone", "mobile"])
def test_the_refusal_of_a_phone_shows_how_to_write_one(
    field: str, phone: str, detail: str, world: World, sales: Caller
) -> None:
    (error,) = sales.post(API + "clients/", BODY | {field: phone}).json()["errors"]
    assert (error["pointer"], error["code"]) == (f"#/{field}", "invalid")
    assert error["detail"].startswith(detail)
    assert error["detail"].endswith("Write a number with + and its country code, as in +33 6 12 34 56 78.")


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("0033 1 99 00 56 78", "+33199005678"),
        ("(+33) 1.99.00.56.78", "+33199005678"),
        ("tel:+33-199-005-678", "+33199005678"),
        ("\u202a+33199005678\u202c", "+33199005678"),
        ("+44 (0)7700 900123", "+447700900123"),
    ],
)
def test_a_phone_is_stored_in_e164(written: str, stored: str, world: World, sales: Caller) -> None:
    row = sales.post(API + "clients/", BODY | {"phone": written}).json()
    assert row["phone"] == stored
    assert sales.get(row["url"]).json()["phone"] == stored


def test_a_phone_of_no_country_that_sql_has_written_is_shown(world: World, sales: Caller) -> None:
    with acting_as(Role.SUPERUSER), connection.cursor() as cursor:
        cursor.execute("UPDATE clients_client SET phone = '+999123456789' WHERE id = %s", [world.own_client.pk])
    assert sales.get(f"{API}clients/{world.own_client.pk}/").json()["phone"] == "+999123456789"


@pytest.mark.parametrize(
    ("model", "field"), [(Client, "phone"), (Client, "mobile"), (User, "mobile")], ids=["client", "mobile", "account"]
)
def test_a_form_of_the_site_reads_phones_as_the_api_does(model: Any, field: str) -> None:
    form_field = modelform_factory(model, fields=[field]).base_fields[field]
    with pytest.raises(ValidationError, match=r"'30901820\.0' has a decimal point.* Write a number with \+ and its"):
        form_field.clean("30901820.0")
    assert str(form_field.clean("00 33 (0)1 99 00 56 78")) == "+33199005678"
    assert form_field.clean("") == ""


def test_a_salesperson_cannot_create_a_client_for_a_colleague(world: World, sales: Caller) -> None:
    response = sales.post(API + "clients/", BODY | {"sales_contact_id": world.users["other_sales"].pk})
    assert (response.status_code, response.json()["rule"]) == (403, "client.create.sales.own")
    assert sales.get(f"{API}clients/?email={BODY['email']}").json()["results"] == []
    response = sales.post(API + "clients/", BODY | {"sales_contact_id": world.users["sales"].pk})
    assert response.status_code == 201
