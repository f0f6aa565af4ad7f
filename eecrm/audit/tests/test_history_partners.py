"""The history that a partner is told: what happened while the object was theirs, and nothing of what is said among us."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from access.database import acting_as, because
from access.policy import Role
from access.tests.paths import address
from config.tests.counting import rows_read
from conftest import Caller, World, make_contract, make_event

SECRET = "Pays late, see the file of the lawyer"


def linked(world: World, account: Any) -> None:
    with acting_as(Role.SUPERUSER):
        world.other_client.account = account
        world.other_client.save(update_fields=["account"])


def renamed(row: Any, name: str, reason: str = SECRET) -> None:
    """A change by a manager, with a reason, in a request."""
    field = "company_name" if hasattr(row, "company_name") else "name"
    with because(reason), acting_as(Role.MANAGEMENT):
        setattr(row, field, name)
        row.save(update_fields=[field])


def names(caller: Caller, row: Any) -> list[tuple[Any, Any]]:
    """Old and new name in each entry that the history tells, oldest first."""
    response = caller.get(f"{address(row)}history/")
    assert response.status_code == 200, response.content
    told = [change for entry in reversed(response.json()["results"]) for change in entry["changes"]]
    return [(one["old"], one["new"]) for one in told if one["field"] in ("company_name", "name")]


def raw(world: World, name: str, row: Any, columns: str = "old, new") -> list[Any]:
    with acting_as(Role.EXTERNAL, user_id=world.users[name].pk), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns} FROM audit.entry WHERE table_name = %s AND row_key = %s ORDER BY id",
            [row._meta.db_table, str(row.pk)],
        )
        return cursor.fetchall()


def rows_of(world: World) -> dict[str, Any]:
    return {"client": world.other_client, "contract": world.other_signed, "event": world.other_event}


@pytest.mark.parametrize("kind", ["client", "contract", "event"])
def test_only_what_happened_while_it_was_theirs_is_told(kind: str, world: World, unlinked: Caller, caller: Any) -> None:
    row, account = rows_of(world)[kind], world.users["unlinked"]
    before = getattr(row, "company_name", "") or row.name
    renamed(row, "Before the link")
    linked(world, account)
    renamed(row, "While linked")
    linked(world, None)
    renamed(row, "While not linked")
    linked(world, account)
    renamed(row, "Linked again")
    theirs = [("Before the link", "While linked"), ("While not linked", "Linked again")]
    assert names(unlinked, row) == theirs
    for colleague in ("management", "auditor", "sales"):
        assert len(names(caller(colleague), row)) == 5
    found = str(raw(world, "unlinked", row))
    assert "While linked" in found and "Linked again" in found
    assert f"'{before}'" not in found
    assert len(raw(world, "unlinked", row)) == 2


def test_the_change_that_makes_the_link_is_not_told(world: World, unlinked: Caller) -> None:
    """One side of it is from when the client wasn't theirs."""
    with acting_as(Role.SUPERUSER):
        world.other_client.account, world.other_client.company_name = world.users["unlinked"], "Renamed with the link"
        world.other_client.save(update_fields=["account", "company_name"])
    assert names(unlinked, world.other_client) == []
    assert raw(world, "unlinked", world.other_client) == []


def test_of_a_row_below_that_was_made_before_the_link_its_making_is_not_told(world: World, unlinked: Caller) -> None:
    linked(world, world.users["unlinked"])
    with acting_as(Role.SUPERUSER):
        contract = make_contract(world.other_client, "Made while linked", signed=False)
        event = make_event(world.other_signed, "Party while linked", world.users["support"])
    assert names(unlinked, world.other_signed) == names(unlinked, world.other_event) == []
    assert names(unlinked, contract) == [(None, "Made while linked")]
    assert names(unlinked, event) == [(None, "Party while linked")]


def test_a_row_that_was_another_partners_is_not_told_of_that_time(
    world: World, partner: Caller, unlinked: Caller
) -> None:
    renamed(world.own_client, "Of the first partner")
    with acting_as(Role.SUPERUSER):
        world.own_client.account = world.users["unlinked"]
        world.own_client.save(update_fields=["account"])
    renamed(world.own_client, "Of the second partner")
    assert names(unlinked, world.own_client) == [("Of the first partner", "Of the second partner")]
    assert partner.get(f"{address(world.own_client)}history/").status_code == 404
    assert raw(world, "partner", world.own_client) == []


def test_no_reason_no_request_and_no_colleague_is_told(
    world: World, partner: Caller, management: Caller, sales: Caller
) -> None:
    for person, name in ((management, "By a manager"), (sales, "By the contact")):
        response = person.patch(
            address(world.own_client), {"company_name": name}, HTTP_X_CHANGE_REASON=SECRET,
            HTTP_X_REQUEST_ID="bad-payers-42",
        )  # fmt: skip
        assert response.status_code == 200
    response = partner.get(f"{address(world.own_client)}history/")
    for hidden in (SECRET, "bad-payers-42", "Management Person", f'"id":{world.users["management"].pk},'):
        assert hidden not in response.content.decode()
    newest, second, *_ = response.json()["results"]
    assert newest["actor"] == {
        "id": world.users["sales"].pk,
        "name": "Sales Person",
    }  # the representation shows them too
    assert second["actor"] is None
    assert (second["role"], second["reason"], second["request_id"]) == ("management", "", "")
    told = management.get(f"{address(world.own_client)}history/").json()["results"][1]
    assert told["reason"] == SECRET
    assert told["actor"]["name"] == "management"


def test_the_name_of_a_login_at_postgresql_is_not_told(committed_world: World, migrator: Any) -> None:
    with migrator.cursor() as cursor:
        cursor.execute(
            "UPDATE clients_client SET company_name = 'By hand' WHERE id = %s", [committed_world.own_client.pk]
        )
    for name, role in (("partner", ""), ("sales", "eecrm_migrator")):
        reader = Caller.as_user(committed_world.users[name])
        newest = reader.get(f"{address(committed_world.own_client)}history/").json()["results"][0]
        assert (newest["role"], newest["changes"][0]["new"]) == (role, "By hand")


@pytest.mark.parametrize("query", ["actor=1", "request_id=bad-payers-42"])
def test_a_partner_learns_nothing_by_filtering(query: str, world: World, partner: Caller, sales: Caller) -> None:
    refused = partner.get(f"{address(world.own_client)}history/?{query}")
    assert refused.status_code == 400
    assert "This parameter is unknown" in refused.content.decode()
    assert sales.get(f"{address(world.own_client)}history/?{query}").status_code == 200


@pytest.mark.parametrize("column", ["reason", "actor_name", "request_id", "transaction_id", "*"])
def test_postgresql_refuses_a_partner_the_same(column: str, world: World, sql_refusal: Callable[..., str]) -> None:
    assert sql_refusal(f"SELECT {column} FROM audit.entry", Role.EXTERNAL, world.users["partner"].pk) == "42501"
    assert sql_refusal(f"SELECT {column} FROM audit.entry", Role.SALES, world.users["sales"].pk) == ""


def test_nobody_but_a_partner_may_ask_whose_a_row_was(world: World, sql_refusal: Callable[..., str]) -> None:
    question = "SELECT audit.was_mine('clients_client', '1', 'insert', 1, NULL, '{}')"
    for role in Role:
        assert (sql_refusal(question, role, 1) == "42501") == (role != Role.EXTERNAL)


@pytest.mark.parametrize("kind", ["client", "contract", "event"])
def test_a_long_history_costs_its_length_and_not_its_square(kind: str, committed_world: World, migrator: Any) -> None:
    """3,000 changes of one client took PostgreSQL 3 s for each look, and an external account may look again and again.

    The entries are committed and analysed. On the statistics of an empty table PostgreSQL may choose any plan, and so it
    may where indexes hold the entries of other tests.
    """
    world = committed_world
    linked(world, world.users["unlinked"])
    row, changes = rows_of(world)[kind], 400
    for number in range(changes):
        renamed(row, f"Name {number}")
        if kind != "client":
            renamed(world.other_client, f"Client {number}")
    with migrator.cursor() as cursor:
        cursor.execute("REINDEX TABLE audit.entry; ANALYZE audit.entry")
    with acting_as(Role.EXTERNAL, user_id=world.users["unlinked"].pk), connection.cursor() as cursor:
        before = rows_read()["entry"]
        cursor.execute(
            "SELECT count(*) FROM audit.entry WHERE table_name = %s AND row_key = %s", [row._meta.db_table, str(row.pk)]
        )
        assert cursor.fetchone()[0] >= changes
        assert rows_read()["entry"] - before < 20 * changes
