"""The change log behind the copies: who may read what of it, and that it knows all that the representations show."""

from typing import Any

import pytest
from django.db import connection

from access.database import acting_as
from access.policy import Role
from accounts.models import User
from audit.sync.dependencies import Dependency, dependencies
from audit.tests.replica import change
from clients.models import Client
from clients.views import ClientViewSet
from conftest import World
from contracts.models import Contract
from contracts.views import ContractViewSet
from events.models import Event
from events.views import EventViewSet


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


@pytest.mark.parametrize("order", ["", "DESC"])
def test_the_log_is_read_by_its_index(order: str, db: None, migrator: Any) -> None:
    """`changes` and `end_of_changes` have the condition of the index, and more."""
    condition = (
        "table_name <> 'accounts_tokensession' AND (table_name = ANY (audit.sync_tables())"
        " OR operation = 'update' AND new ?| audit.sync_columns(table_name))"
    )
    with migrator.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname IN ('changes', 'end_of_changes')")
        bodies = [" ".join(body.split()) for (body,) in cursor.fetchall()]
        assert all(condition.replace("audit.", "") in body for body in bodies) and len(bodies) == 2
        cursor.execute(
            f"SET enable_seqscan = off; SET enable_sort = off; EXPLAIN SELECT id FROM audit.entry WHERE {condition}"
            f" AND (transaction_id, id) > ('0', 0) ORDER BY transaction_id {order}, id {order} LIMIT 5"
        )
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "using entry_for_sync" in plan and "sync_tables" not in plan, plan


def test_the_log_tells_what_the_names_of_accounts_are_made_of() -> None:
    """The columns of `sync_columns`, which is generated."""
    columns = {
        column
        for source in (ClientViewSet, ContractViewSet, EventViewSet)
        for one in dependencies(source.serializer_class)
        if one.table == User._meta.db_table
        for column in one.columns
    }
    assert columns == {"first_name", "last_name", "username"}


def test_what_a_row_has_of_its_own_is_looked_for_there() -> None:
    """A client that moves is told of by the client; a contact with another name leads straight to the contracts."""
    client, contact, *others = sorted(dependencies(ContractViewSet.serializer_class))
    assert client == Dependency("client", "clients_client", frozenset({"company_name", "sales_contact_id"}))
    assert contact == Dependency("sales_contact", "accounts_user", frozenset({"first_name", "last_name", "username"}))
    assert not others


def test_what_decides_who_sees_a_row_is_followed_too() -> None:
    assert Dependency("client", "clients_client", frozenset({"company_name", "sales_contact_id", "account_id"})) in (
        dependencies(ContractViewSet.serializer_class, "client__account")
    )
