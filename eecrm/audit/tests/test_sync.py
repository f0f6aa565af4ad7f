"""Offline copies: each is what the server shows, and learns of each change, of rows that are gone and of rows that are taken
from one's sight, and of nothing else."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access.database import acting_as, because
from access.policy import Role
from audit.tests.replica import Copies, Replica, change, delete, view_of
from conftest import API, Caller, World, make_contract, make_event
from contracts.models import Contract

PEOPLE = ("sales", "support", "management", "auditor", "partner", "unlinked", "superuser")


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize("page_size", [1, 2, 200])
def test_without_a_cursor_one_gets_all_that_one_sees_as_the_lists_show_it(
    name: str, page_size: int, without_world: None, world: World, caller: Any
) -> None:
    copy = Replica(caller(name), page_size=page_size)
    copy.catch_up()
    assert copy.rows == view_of(copy.caller)
    assert bool(copy.rows) == (name != "unlinked")
    assert len(copy.told) == len(copy.rows)


@pytest.mark.parametrize("name", PEOPLE)
def test_a_copy_learns_what_is_made_changed_and_deleted(
    name: str, committed_world: World, copy_of: Copies, closed: Any
) -> None:
    copy, world = copy_of(name), committed_world
    assert copy.catch_up() == []
    change(world.own_event, status="in_progress")
    change(world.other_draft, name="Another name")
    delete(world.own_draft)
    with acting_as(Role.SUPERUSER):
        made = make_event(world.own_signed, "New party", None)
    closed()
    told = copy.catch_up()
    assert copy.rows == view_of(copy.caller)
    own = {
        ("event", world.own_event.pk, "upsert"), ("event", made.pk, "upsert"), ("contract", world.own_draft.pk, "delete"),
    }  # fmt: skip
    match name:
        case "unlinked":
            assert told == []
        case "partner":
            assert set(told) == own
        case _:
            assert set(told) == own | {("contract", world.other_draft.pk, "upsert")}
    assert copy.catch_up() == []


@pytest.mark.parametrize("name", ["management", "partner"])
def test_what_a_row_shows_of_others_reaches_the_copy(
    name: str, committed_world: World, copy_of: Copies, closed: Any
) -> None:
    copy, world = copy_of(name), committed_world
    client, contracts, event = ("client", world.own_client.pk), (world.own_draft, world.own_signed), world.own_event.pk
    everything = {client, *(("contract", one.pk) for one in contracts), ("event", event)}
    for row, values, expected in (
        (world.own_client, {"company_name": "Renamed Company"}, everything),
        (world.own_client, {"phone": "+33199001235"}, {client}),
        (world.own_client, {"sales_contact": world.users["other_sales"]}, everything - {("event", event)}),
        (world.users["other_sales"], {"last_name": "Married"}, everything - {("event", event)}),
        (world.users["support"], {"first_name": "Robin"}, {("event", event)}),
        (world.users["support"], {"email": "robin@epic.example"}, set()),
        (world.own_signed, {"name": "Renamed gala"}, {("contract", world.own_signed.pk), ("event", event)}),
    ):
        change(row, **values)
        closed()
        told = {(noun, key) for noun, key, op in copy.catch_up()}
        assert told & everything == expected, values
        assert copy.rows == view_of(copy.caller), values


def test_a_row_that_was_deleted_and_restored_is_there_again(
    committed_world: World, copy_of: Copies, closed: Any
) -> None:
    copies, world = [copy_of(name) for name in ("management", "partner")], committed_world
    manager = Caller.as_user(world.users["management"])
    delete(world.own_draft)
    kept = {field.attname: getattr(world.own_draft, field.attname) for field in Contract._meta.concrete_fields}
    del kept["search"]
    with because("Deleted by mistake"), acting_as(Role.SUPERUSER):
        Contract.objects.create(**kept)
    closed()
    for copy in copies:
        assert ("contract", world.own_draft.pk, "upsert") in copy.catch_up()
        assert copy.rows == view_of(copy.caller)
    assert manager.get(f"{API}contracts/{world.own_draft.pk}/").status_code == 200


def test_types_narrow_a_copy_down(committed_world: World, copy_of: Copies, closed: Any) -> None:
    copy, world = copy_of("sales", types="event,client"), committed_world
    assert {noun for noun, _ in copy.rows} == {"client", "event"}
    change(world.own_signed, name="Renamed gala")
    delete(world.own_draft)
    closed()
    assert copy.catch_up() == [("event", world.own_event.pk, "upsert")]
    copy.parameters = {}
    assert copy.catch_up() == []


def test_an_auditor_copies_personal_data_masked(committed_world: World, copy_of: Copies, closed: Any) -> None:
    copy, world = copy_of("auditor"), committed_world
    change(world.own_client, email="somebody.else@own.example")
    closed()
    copy.catch_up()
    assert copy.rows[("client", world.own_client.pk)]["email"] == "s***@***.example"


def is_asking(statement: str) -> bool:
    """All but the transaction's own, and the limits, which are counted by the dozen."""
    return "SELECT" in statement and "take_limits" not in statement


def test_no_more_statements_for_twenty_rows_than_for_one(committed_world: World, copy_of: Copies, closed: Any) -> None:
    copy, world, counts = copy_of("management"), committed_world, []
    for number in (1, 20):
        change(world.own_client, company_name=f"Renamed {number}")
        with acting_as(Role.SUPERUSER):
            for made in range(number):
                make_event(make_contract(world.own_client, f"Gala {made}", signed=True), f"Party {made}", None)
        closed()
        copy.told = []
        with CaptureQueriesContext(connection) as statements:
            assert not copy.step()
        counts.append(sum(is_asking(statement["sql"]) for statement in statements))
        assert copy.rows == view_of(copy.caller)
    assert len(copy.told) > 40
    assert counts == [6, 6]  # who calls, where the log ends, what is in it, and one for each type
