"""Contracts and events have their client's sales contact and words; PostgreSQL hands both down, and nothing else changes."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from psycopg2 import errors

from access.database import acting_as, because, enter
from access.policy import MATRIX_ROLES, Role
from api.tests.test_at_once import alone, wait_for_a_blocked_statement
from audit.models import Entry
from audit.restore.restoration import restore
from clients.models import Client
from conftest import API, PATIENCE, Caller, World, make_contract, make_event
from contracts.models import Contract
from events.models import Event
from events.tests.trail import delete

WHY = "As the test wants it"


def words(search: str) -> dict[str, str]:
    """The words of a search column, with their weights."""
    pairs = (item.rsplit(":", 1) for item in search.split())
    return {word: "A" if "A" in places else "B" for word, places in pairs}


def astray() -> list[Any]:
    """The contracts and events that don't have what their parent has."""
    own = {Contract: ("name",), Event: ("name", "location")}
    rows: list[Any] = []
    with acting_as(Role.SUPERUSER):
        for model, parent in ((Contract, "client"), (Event, "contract")):
            columns = ("sales_contact", f"{parent}__sales_contact", "search", f"{parent}__search", *own[model])
            for contact, parents_contact, search, parents_search, *texts in model.objects.values_list(*columns):
                own_words = {f"'{word}'": "A" for word in " ".join(texts).lower().split()}
                handed_down = {
                    word: weight for word, weight in words(parents_search).items() if not word.startswith("'+")
                }
                rows.append((texts, contact == parents_contact and words(search) == handed_down | own_words))
    assert rows
    return [row for row in rows if not row[1]]


def record() -> list[Any]:
    """What a change of these rows would change."""
    with acting_as(Role.SUPERUSER):
        return [list(model.objects.order_by("pk").values("pk", "version", "updated_at")) for model in (Contract, Event)]


def told() -> int:
    with acting_as(Role.SUPERUSER):
        return Entry.objects.count()


def found(caller: Caller, collection: str, query: str) -> set[str]:
    return {row["name"] for row in caller.get(f"{API}{collection}/?{query}").json()["results"]}


@pytest.fixture
def party(world: World) -> World:
    """The own client's contract has a closed event beside the one that is to come."""
    with acting_as(Role.SUPERUSER):
        make_event(world.own_signed, "Past party", world.users["support"], status="closed", location="Old Hall")
    return world


def test_new_rows_have_it_whatever_their_maker_says(party: World) -> None:
    assert astray() == []
    with acting_as(Role.SUPERUSER):
        make_contract(party.own_client, "Claimed", sales_contact=party.users["other_sales"], search="nonsense")
        make_event(party.own_signed, "Claimed", None, sales_contact=party.users["other_sales"], search="nonsense")
    assert astray() == []


def test_a_client_that_moves_takes_them_along_and_changes_none(party: World, management: Caller, sales: Caller) -> None:
    before, entries = record(), told()
    successor = party.users["other_sales"]
    response = management.patch(f"{API}clients/{party.own_client.pk}/", {"sales_contact_id": successor.pk})
    assert response.status_code == 200
    assert (astray(), record()) == ([], before)
    assert told() == entries + 1
    assert found(Caller.as_user(successor), "events", "mine=true") == {"Own party", "Past party", "Other party"}
    assert found(sales, "contracts", "mine=true") == set()


def test_a_new_name_finds_them_and_changes_none(party: World, sales: Caller) -> None:
    before, entries = record(), told()
    body = {"company_name": "Fjordkraft Kajak", "email": "mikkel@kajak.example"}
    assert sales.patch(f"{API}clients/{party.own_client.pk}/", body).status_code == 200
    assert (astray(), record()) == ([], before)
    assert told() == entries + 1
    assert found(sales, "events", "search=fjord past") == {"Past party"}
    assert found(sales, "contracts", "search=mikkel") == {"Own gala", "Own draft"}
    assert found(sales, "events", "search=own company") == set()


def test_a_contract_and_an_event_that_are_renamed_keep_the_words_of_what_is_above(party: World) -> None:
    with acting_as(Role.SUPERUSER):
        Contract.objects.filter(pk=party.own_signed.pk).update(name="Regatta")
    assert astray() == []
    with acting_as(Role.SUPERUSER):
        Event.objects.filter(pk=party.own_event.pk).update(location="Lighthouse Inn")
    assert astray() == []


def test_a_change_of_something_else_hands_nothing_down(party: World) -> None:
    def places() -> list[Any]:
        with connection.cursor() as cursor, acting_as(Role.SUPERUSER):
            cursor.execute("SELECT ctid::text FROM contracts_contract UNION ALL SELECT ctid::text FROM events_event")
            return cursor.fetchall()

    before = places()
    with acting_as(Role.SUPERUSER):
        Client.objects.filter(pk=party.own_client.pk).update(phone="+33199005678", company_name=F("company_name"))
    assert places() == before


@pytest.mark.parametrize("role", MATRIX_ROLES)
@pytest.mark.parametrize(
    ("table", "change"),
    [
        *itertools.product(
            ("contracts_contract", "events_event"),
            ("sales_contact_id = sales_contact_id", "search = NULL", "name_order = ''"),
        ),
        *itertools.product(("clients_client",), ("search = NULL", "company_name_order = ''", "last_name_order = ''")),
    ],
)
def test_nobody_writes_it(table: str, change: str, role: Role, db: None) -> None:
    with pytest.raises(DatabaseError) as refusal, transaction.atomic():
        enter(role)
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE {table} SET {change}")
    assert isinstance(refusal.value.__cause__, errors.InsufficientPrivilege)


@pytest.mark.parametrize("table", ["contracts_contract", "events_event"])
def test_not_even_the_migrator_writes_another_contact(table: str, committed_world: World, migrator: Any) -> None:
    with migrator.cursor() as cursor, pytest.raises(errors.ForeignKeyViolation):
        cursor.execute(f"UPDATE {table} SET sales_contact_id = %s", [committed_world.users["management"].pk])


def test_what_comes_back_has_what_its_parent_has_by_now(party: World) -> None:
    with acting_as(Role.SUPERUSER):
        Event.objects.filter(name="Past party").delete()
    deleted = [delete(party.own_event), delete(party.own_signed)]
    with acting_as(Role.SUPERUSER):
        moved = {"sales_contact": party.users["other_sales"], "company_name": "Fjordkraft Kajak"}
        Client.objects.filter(pk=party.own_client.pk).update(**moved)
    with because(WHY), acting_as(Role.SUPERUSER):
        for entry in reversed(deleted):
            restore(entry)
    assert astray() == []


def changes(**fields: Any) -> Callable[[], Any]:
    def change() -> None:
        with acting_as(Role.SUPERUSER):
            Client.objects.filter(company_name="Own Company").update(**fields)

    return alone(change)


@pytest.mark.parametrize("change", ["sales_contact", "last_name"])
@pytest.mark.parametrize("child", ["contract", "event"])
def test_what_is_being_made_meanwhile_follows_too(
    child: str, change: str, committed_world: World, migrator: Any
) -> None:
    """Its maker hasn't committed when the client is moved or renamed: that waits for it."""
    users = committed_world.users
    new = {"sales_contact": users["other_sales"], "last_name": "Else"}[change]
    with ThreadPoolExecutor() as pool, migrator.cursor() as cursor:
        with acting_as(Role.SUPERUSER):
            if child == "contract":
                make_contract(committed_world.own_client, "Last minute")
            else:
                make_event(committed_world.own_signed, "Last minute", users["support"])
            changed = pool.submit(changes(**{change: new}))
            wait_for_a_blocked_statement(cursor)
        changed.result(timeout=PATIENCE)
    assert astray() == []


@pytest.mark.parametrize("child", [Contract, Event])
def test_two_new_names_at_once_are_both_kept(child: Any, committed_world: World, migrator: Any) -> None:
    """The row's own, whose writer hasn't committed, and the client's."""
    with ThreadPoolExecutor() as pool, migrator.cursor() as cursor:
        with acting_as(Role.SUPERUSER):
            child.objects.filter(name__startswith="Own").update(name="Own regatta")
            changed = pool.submit(changes(last_name="Else"))
            wait_for_a_blocked_statement(cursor)
        changed.result(timeout=PATIENCE)
    assert astray() == []
    with acting_as(Role.SUPERUSER):
        assert child.objects.matching("regatta else").exists()


def test_a_row_that_is_renamed_a_moment_later_has_the_new_words(committed_world: World, migrator: Any) -> None:
    def rename() -> None:
        with acting_as(Role.SUPERUSER):
            Contract.objects.filter(pk=committed_world.own_signed.pk).update(name="Regatta")

    with ThreadPoolExecutor() as pool, migrator.cursor() as cursor:
        with acting_as(Role.SUPERUSER):
            Client.objects.filter(pk=committed_world.own_client.pk).update(last_name="Else")
            renamed = pool.submit(alone(rename))
            wait_for_a_blocked_statement(cursor)
        renamed.result(timeout=PATIENCE)
    assert astray() == []


def test_words_and_order_keys_are_made_again_after_a_change_of_their_functions(
    committed_world: World, migrator: Any
) -> None:
    """NULL in a client's `search` makes them again, below the client too, and changes nothing else."""
    folded = """SELECT array_agg(ARRAY[search::text, key] ORDER BY name, key)
                  FROM (SELECT 'client', search, company_name_order FROM clients_client
                         UNION ALL SELECT 'client', search, last_name_order FROM clients_client
                         UNION ALL SELECT 'contract', search, name_order FROM contracts_contract
                         UNION ALL SELECT 'event', search, name_order FROM events_event) AS row (name, search, key)"""
    tables = ("clients_client", "contracts_contract", "events_event")
    with migrator.cursor() as cursor:
        cursor.execute(folded)
        wanted = cursor.fetchone()
        before = (record(), told())
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute("UPDATE clients_client SET search = '', company_name_order = '', last_name_order = ''")
        cursor.execute("UPDATE contracts_contract SET search = '', name_order = ''")
        cursor.execute("UPDATE events_event SET search = '', name_order = ''")
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        cursor.execute("UPDATE clients_client SET search = NULL, first_name = 'Other'")
        cursor.execute(folded)
        assert cursor.fetchone() == wanted
        migrator.commit()
    assert (record(), told()) == before
    with acting_as(Role.SUPERUSER):
        assert not Client.objects.filter(first_name="Other").exists()
