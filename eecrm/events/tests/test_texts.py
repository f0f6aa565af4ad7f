"""Every text of people has one stored form: in the API, in the admin site, in imports and in SQL."""

from typing import Any

import pytest
from django.db import DatabaseError, connection

from access.database import acting_as, because
from access.policy import Role
from access.tests.paths import address
from audit.tests.site_forms import Tab
from clients.models import Client
from conftest import Caller, Visitor, World
from contracts.models import Contract
from events.models import Event

# The fields for a text of one line: the row of the world that has it, and the field.
LINES = [
    ("own_client", "company_name"),
    ("own_draft", "name"),
    ("own_event", "name"),
    ("own_event", "location"),
]
each_line = pytest.mark.parametrize(("row", "field"), LINES)

# As it is typed, and as it is stored.
TYPED = [
    ("Maison Lumie\u0300re", "Maison Lumière"),
    ("  \u200b\ufeffMaison\u00a0 Lumière\u3164 ", "Maison Lumière"),
    ("booking.com", "booking.com"),
    ("C&A / D\u2019Arc, n\u00b0 5", "C&A / D\u2019Arc, n\u00b0 5"),
    ("می\u200cخواهم", "می\u200cخواهم"),
    ("\U0001f469\u200d\U0001f680 Events", "\U0001f469\u200d\U0001f680 Events"),
    ("한국", "한국"),
]
# Line breaks, other control characters, and marks that turn a text around.
CONTROLS = "\n\r\t\x01\x1b\x7f\x85\u2028\u2029\u202a\u202e\u2066\u2069\uffff"
EMPTY = ["\u200b", " \u3164\ufeff\u200e ", "\u00a0\u2003"]


@pytest.fixture
def form(world: World) -> Any:
    """Returns a function that opens the page of a row on the admin site, as a manager."""
    browser = Visitor()
    browser.force_login(world.users["management"])

    def opened(row: Any) -> Tab:
        return Tab(browser, f"/hidden-admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/change/")

    return opened


def fresh(row: Any) -> Any:
    with acting_as(Role.SUPERUSER):
        return type(row).objects.get(pk=row.pk)


@each_line
@pytest.mark.parametrize(("typed", "stored"), TYPED)
def test_a_line_has_one_form(row: str, field: str, typed: str, stored: str, world: World, management: Caller) -> None:
    answer = management.patch(address(getattr(world, row)), {field: typed})
    assert (answer.status_code, answer.json()[field]) == (200, stored)


@each_line
def test_a_line_holds_no_control_characters(row: str, field: str, world: World, management: Caller) -> None:
    for sign in CONTROLS:
        answer = management.patch(address(getattr(world, row)), {field: f"a{sign}b"})
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["pointer"], error["code"]) == (
            400,
            f"#/{field}",
            "invisible_characters",
        ), hex(ord(sign))


@each_line
@pytest.mark.parametrize("typed", EMPTY)
def test_a_line_of_nothing_that_is_seen_is_empty(
    row: str, field: str, typed: str, world: World, management: Caller
) -> None:
    answer = management.patch(address(getattr(world, row)), {field: typed})
    if field == "location":
        assert answer.json()["location"] == ""
    else:
        assert [error["code"] for error in answer.json()["errors"]] == ["blank"]


NOTES = [
    ("a\r\nb\rc", "a\nb\nc"),
    ("a\u2028b\x0bc\x85d", "a\nb\nc\nd"),
    (" \n\u200b a\tb \n\n", "a\tb"),
    ("e\u0301te\u0301", "\u00e9t\u00e9"),
    ("+33\u202a1\u202c, \u200fשלום", "+33\u202a1\u202c, \u200fשלום"),
    ("\u200b \n", ""),
]


@pytest.mark.parametrize(("typed", "stored"), NOTES)
def test_notes_have_one_form(typed: str, stored: str, world: World, support: Caller, form: Any) -> None:
    place = address(world.own_event)
    assert support.patch(place, {"notes": typed}).json()["notes"] == stored
    support.patch(place, {"notes": "other"})
    assert form(world.own_event).send(notes=typed).status_code == 302
    assert fresh(world.own_event).notes == stored


@pytest.mark.parametrize("sign", ["\x01", "\x1b", "\x7f", "\x9f", "\uffff"])
def test_notes_hold_no_control_characters(sign: str, world: World, support: Caller, form: Any) -> None:
    (error,) = support.patch(address(world.own_event), {"notes": f"a{sign}b"}).json()["errors"]
    assert (error["pointer"], error["code"]) == ("#/notes", "invisible_characters")
    assert "control characters" in form(world.own_event).send(notes=f"a{sign}b").content.decode()
    assert fresh(world.own_event).notes == ""


def test_the_longest_notes_are_normalised_in_time(world: World, support: Caller) -> None:
    """Marks are put into order one by one, which takes the square of their number."""
    text = "a" + "\u0301\u0327" * 4_999
    assert support.patch(address(world.own_event), {"notes": text}).status_code == 200
    (error,) = support.patch(address(world.own_event), {"notes": "\u0301\u0327" * 10_000}).json()["errors"]
    assert error["code"] == "max_length"


@each_line
def test_the_site_stores_the_same(row: str, field: str, world: World, form: Any) -> None:
    place = getattr(world, row)
    for typed, stored in TYPED:
        assert form(place).send(**{field: typed}).status_code == 302
        assert getattr(fresh(place), field) == stored
    refused = form(place).send(**{field: "a\u202eb"})
    assert "characters that nobody sees" in refused.content.decode()
    if field != "location":
        assert "This field" in form(place).send(**{field: "\u200b"}).content.decode()
    assert getattr(fresh(place), field) == TYPED[-1][1]


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE clients_client SET company_name = %s", "client_texts_plain"),
        ("UPDATE contracts_contract SET name = %s", "contract_name_plain"),
        ("UPDATE events_event SET name = %s", "event_texts_plain"),
        ("UPDATE events_event SET location = %s", "event_texts_plain"),
        ("UPDATE events_event SET notes = %s", "event_texts_plain"),
        ("UPDATE accounts_user SET job_title = %s", "user_job_title_plain"),
    ],
)
@pytest.mark.parametrize("text", [" a", "a ", "a\u00a0", "\u200ba", "a\ufeff", "e\u0301", "a\x1bb", "a\u2028b"])
def test_sql_writes_no_other_form(statement: str, rule: str, text: str, world: World) -> None:
    with pytest.raises(DatabaseError) as refusal, because("As the test wants it"), acting_as(Role.SUPERUSER):
        with connection.cursor() as cursor:
            cursor.execute(statement, [text])
    assert refusal.value.__cause__.diag.constraint_name == rule


def test_models_store_the_same(world: World) -> None:
    """For commands, which use no form and no serializer."""
    with acting_as(Role.SUPERUSER):
        Client.objects.filter(pk=world.own_client.pk).update(company_name=" e\u0301 ")
        Contract.objects.filter(pk=world.own_draft.pk).update(name=" e\u0301 ")
        Event.objects.filter(pk=world.own_event.pk).update(name=" e\u0301 ", notes=" a\r\nb ")
    assert (
        fresh(world.own_client).company_name == fresh(world.own_draft).name == fresh(world.own_event).name == "\u00e9"
    )
    assert fresh(world.own_event).notes == "a\nb"


def test_a_reason_has_one_form(world: World, sales: Caller) -> None:
    sales.patch(
        address(world.own_draft), {"name": "Other"}, HTTP_X_CHANGE_REASON="e\u0301te\u0301".encode().decode("latin-1")
    )
    history = sales.get(address(world.own_draft) + "history/").json()["results"]
    assert history[0]["reason"] == "\u00e9t\u00e9"
