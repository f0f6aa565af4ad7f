"""Offline copies: each is what the server shows, and learns of each change, of rows that are gone and of rows that are taken
from one's sight, and of nothing else."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access.database import acting_as, because
from access.policy import Role
from accounts.models import User
from audit.depending import Dependency, dependencies
from audit.tests.replica import Replica, view_of, wait_until_closed
from clients.models import Client
from clients.views import ClientViewSet
from conftest import API, Caller, World, make_client, make_contract, make_event
from contracts.models import Contract
from contracts.views import ContractViewSet
from events.models import Event
from events.views import EventViewSet

PEOPLE = ("sales", "support", "management", "auditor", "partner", "unlinked", "superuser")
Copies = Callable[..., Replica]


@pytest.fixture
def closed(committed_world: World, migrator: Any) -> Callable[[], None]:
    def wait() -> None:
        with migrator.cursor() as cursor:
            wait_until_closed(cursor)

    return wait


@pytest.fixture
def copy_of(committed_world: World, closed: Callable[[], None]) -> Iterator[Copies]:
    """`copy_of("partner")`: their copy, up to date."""

    def made(name: str, **parameters: Any) -> Replica:
        closed()
        copy = Replica(Caller.as_user(committed_world.users[name]), **parameters)
        closed()  # a login is an entry too, whose transaction is one that may come late
        copy.catch_up()
        return copy

    yield made


def change(row: Any, **values: Any) -> None:
    with acting_as(Role.SUPERUSER):
        for name, value in values.items():
            setattr(row, name, value)
        row.save(update_fields=list(values))


def delete(*rows: Any) -> None:
    with acting_as(Role.SUPERUSER):
        for row in rows:
            type(row).objects.filter(pk=row.pk).delete()


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize("page_size", [1, 2, 200])
def test_without_a_cursor_one_gets_all_that_one_sees_as_the_lists_show_it(
    name: str, page_size: int, world: World, caller: Any
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
        told = {(noun, key) for noun, key, op in copy.catch_up() if key not in (world.other_client.pk,)}
        own = told & everything
        assert own == expected, values
        assert copy.rows == view_of(copy.caller), values


def test_a_partner_whose_account_is_unlinked_loses_all_below_and_learns_no_more(
    committed_world: World, copy_of: Copies, closed: Any
) -> None:
    copy, slow, world = copy_of("partner"), copy_of("partner"), committed_world
    before = set(copy.rows)
    assert len(before) == 4
    change(world.own_client, account=None)
    closed()
    assert set(copy.catch_up()) == {(*place, "revoke") for place in before}
    with acting_as(Role.SUPERUSER):
        later = make_contract(world.own_client, "Made later")
    change(world.own_client, company_name="Renamed Company")
    delete(world.own_event, world.own_signed)
    change(later, name="Renamed later")
    delete(later)
    delete(world.own_draft, world.own_client)
    closed()
    assert copy.catch_up() == []
    assert set(slow.catch_up()) == {(*place, "revoke") for place in before}
    assert copy.rows == slow.rows == view_of(copy.caller) == {}


def test_a_partner_is_given_the_other_client_with_all_below(
    committed_world: World, copy_of: Copies, closed: Any
) -> None:
    copy, world = copy_of("partner", page_size=1), committed_world
    change(world.own_client, account=None)
    change(world.other_client, account=world.users["partner"])
    closed()
    copy.catch_up()
    assert copy.rows == view_of(copy.caller)
    assert ("event", world.other_event.pk) in copy.rows
    change(world.other_client, account=None)
    change(world.own_client, account=world.users["partner"])
    closed()
    copy.catch_up()
    assert copy.rows == view_of(copy.caller)
    assert ("event", world.own_event.pk) in copy.rows


def test_what_is_deleted_together_with_its_parents_is_told_to_whom_it_was_linked(
    committed_world: World, copy_of: Copies, closed: Any
) -> None:
    copy, stranger, world = copy_of("partner"), copy_of("unlinked"), committed_world
    before = set(copy.rows)
    with acting_as(Role.SUPERUSER):
        for row in (world.own_event, world.own_signed, world.own_draft, world.own_client):
            type(row).objects.filter(pk=row.pk).delete()
    closed()
    assert set(copy.catch_up()) == {(*place, "delete") for place in before}
    assert stranger.catch_up() == []


def test_what_came_and_went_before_a_partner_was_linked_is_not_told(
    committed_world: World, copy_of: Copies, closed: Any
) -> None:
    copy, world = copy_of("unlinked"), committed_world
    delete(world.other_event)
    with acting_as(Role.SUPERUSER):
        short_lived = make_contract(world.other_client, "Short-lived")
    delete(short_lived)
    change(world.other_client, account=world.users["unlinked"])
    closed()
    assert {op for _, _, op in copy.catch_up()} == {"upsert"}
    assert copy.rows == view_of(copy.caller)
    delete(world.other_draft)
    change(world.other_client, account=None)
    with acting_as(Role.SUPERUSER):
        late = make_contract(world.other_client, "Late")
    delete(late)
    closed()
    assert set(copy.catch_up()) == {
        ("client", world.other_client.pk, "revoke"),
        ("contract", world.other_signed.pk, "revoke"),
        ("contract", world.other_draft.pk, "delete"),
    }
    assert copy.rows == {}


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


@pytest.mark.parametrize("page_size", [1, 2, 3])
@pytest.mark.parametrize("name", ["management", "partner"])
def test_many_rows_that_change_with_one_are_told_in_pages(
    name: str, page_size: int, committed_world: World, copy_of: Copies, closed: Any
) -> None:
    world = committed_world
    with acting_as(Role.SUPERUSER):
        for number in range(7):
            make_contract(world.own_client, f"Gala {number}")
            make_event(world.own_signed, f"Party {number}", world.users["support"])
    copy = copy_of(name, page_size=page_size)
    change(world.own_client, company_name="Renamed Company")
    closed()
    told = copy.catch_up()
    assert len(told) == len(set(told)) == 1 + 2 + 7 + 1 + 7
    assert copy.rows == view_of(copy.caller)
    change(world.own_client, account=None)
    closed()
    copy.catch_up()
    assert copy.rows == view_of(copy.caller)


def test_what_is_written_while_a_page_of_a_batch_is_read_comes_after_it(
    committed_world: World, copy_of: Copies, closed: Any
) -> None:
    copy, world = copy_of("management", page_size=1), committed_world
    for row in (world.own_client, world.own_draft, world.own_event):
        change(row, **{"phone": ""} if row is world.own_client else {"name": "Renamed"})
    closed()
    copy.told = []
    assert copy.step()
    change(world.own_client, company_name="Renamed in between")
    with acting_as(Role.SUPERUSER):
        make_client("Newcomer", world.users["sales"])
    closed()
    while copy.step():
        pass
    assert copy.rows == view_of(copy.caller)


def test_what_is_written_while_the_first_pages_are_read_comes_after_them(committed_world: World, closed: Any) -> None:
    world = committed_world
    closed()
    copy = Replica(Caller.as_user(world.users["management"]), page_size=2)
    assert copy.step()
    assert copy.step()
    change(world.own_client, company_name="Renamed in between")
    delete(world.own_event)
    with acting_as(Role.SUPERUSER):
        make_client("Newcomer", world.users["sales"])
    closed()
    copy.catch_up()
    assert copy.rows == view_of(copy.caller)


def test_a_log_that_is_longer_than_a_batch_is_read_to_its_end(
    committed_world: World, copy_of: Copies, closed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.sync.BATCH", 3)
    world = committed_world
    copies = [copy_of(name) for name in ("management", "partner", "unlinked")]
    for number in range(5):
        change(world.other_client, company_name=f"Other {number}")
        change(world.own_client, company_name=f"Own {number}")
    delete(world.own_event)
    closed()
    for copy in copies:
        copy.catch_up()
        assert copy.rows == view_of(copy.caller)


def test_a_transaction_that_was_first_and_ends_last_is_not_missed(
    committed_world: World, copy_of: Copies, closed: Any, other_connection: Any
) -> None:
    copies, world = [copy_of(name) for name in ("management", "partner")], committed_world
    with other_connection.cursor() as slow:
        slow.execute("SELECT set_config('role', 'eecrm_superuser', true)")
        slow.execute("UPDATE contracts_contract SET name = 'Slow' WHERE id = %s", [world.own_draft.pk])
        change(world.own_event, name="Quick")
        for copy in copies:
            copy.catch_up()
            assert copy.rows[("contract", world.own_draft.pk)]["name"] == "Own draft"
        slow.execute("UPDATE contracts_contract SET name = 'Slower' WHERE id = %s", [world.own_draft.pk])
        other_connection.commit()
    closed()
    for copy in copies:
        copy.catch_up()
        assert copy.rows[("contract", world.own_draft.pk)]["name"] == "Slower"
        assert copy.rows == view_of(copy.caller)


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


def test_the_log_tells_partners_of_what_they_see_alone(committed_world: World, closed: Any) -> None:
    world, arguments = committed_world, "('0', 0, NULL, NULL, 1000)"
    for user in world.users.values():
        change(user, last_name="Renamed", email="")
    closed()
    with acting_as(Role.EXTERNAL, user_id=world.users["partner"].pk), connection.cursor() as cursor:
        cursor.execute(f"SELECT table_name, key FROM audit.changes_of_mine{arguments} WHERE table_name <> ''")
        told = set(cursor.fetchall())
    mine = {
        world.own_client,
        world.own_draft,
        world.own_signed,
        world.own_event,
        world.users["sales"],
        world.users["support"],
    }
    assert told <= {(row._meta.db_table, row.pk) for row in mine}
    assert {Client._meta.db_table, Contract._meta.db_table, Event._meta.db_table, User._meta.db_table} == {
        table for table, _ in told
    }


@pytest.mark.parametrize(
    ("role", "function"),
    [
        *((role, "changes") for role in (Role.EXTERNAL, "app")),
        *((role, "changes_of_mine") for role in Role if role is not Role.EXTERNAL),
        *(
            (role, name)
            for role in ("app", *Role)
            for name in ("linked_then", "client_then", "contracts_then", "events_then")
        ),
    ],
)
def test_nobody_calls_what_their_role_has_no_use_for(role: str, function: str, migrator: Any) -> None:
    with migrator.cursor() as cursor:
        cursor.execute(
            "SELECT has_function_privilege(%s, oid, 'EXECUTE') FROM pg_proc WHERE proname = %s",
            [f"eecrm_{role}", function],
        )
        assert cursor.fetchall() == [(False,)]


def test_the_log_tells_what_the_names_of_accounts_are_made_of() -> None:
    """The migration that narrows the log down and the representations that show names must not part."""
    columns = {
        column
        for source in (ClientViewSet, ContractViewSet, EventViewSet)
        for one in dependencies(source.serializer_class)
        if one.table == User._meta.db_table
        for column in one.columns
    }
    assert columns == {"first_name", "last_name", "username"}


def test_what_decides_who_sees_a_row_is_followed_too() -> None:
    assert Dependency("client", "clients_client", frozenset({"company_name", "sales_contact_id", "account_id"})) in (
        dependencies(ContractViewSet.serializer_class, "client__account")
    )
