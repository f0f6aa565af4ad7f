"""The change log behind the copies: who may read what of it, and that it knows all that the representations show."""

from typing import Any

import pytest
from django.db import connection

from access.database import acting_as
from access.policy import Role, Scope
from accounts.models import Mail, User
from audit.sync import views
from audit.sync.cursor import Position, SyncCursor
from audit.sync.dependencies import Dependency, dependencies
from audit.sync.views import Batch, TrailRow
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


# Index entries and rows of the trail that this connection has read lately, by whichever function.
_READ = """
    SELECT coalesce(sum(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid)), 0)::int
      FROM pg_class WHERE oid = 'audit.entry'::regclass
        OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'audit.entry'::regclass)
"""
_OF_OTHERS = """
    INSERT INTO audit.entry (table_name, row_key, operation, actor_name, role, channel, request_id, reason, new)
    SELECT table_name, n::text, operation, '', 'eecrm_app', 'api', '', '', new
      FROM generate_series(1, %s) AS n, (VALUES
           ('accounts_mail', 'insert', '{"kind": "password_reset"}'::jsonb), ('accounts_mail', 'delete', NULL),
           ('accounts_tokensession', 'insert', '{}'), ('accounts_user', 'update', '{"role": "sales"}'),
           ('auth_group', 'update', '{"name": "x"}')) AS other (table_name, operation, new)
"""


@pytest.mark.parametrize(("role", "name"), [(Role.SALES, "sales"), (Role.EXTERNAL, "partner")])
def test_a_poll_reads_no_entry_of_other_tables(
    role: Role, name: str, committed_world: World, closed: Any, trail: Any, migrator: Any
) -> None:
    """Counts the rows and index entries that are read, and not the time."""
    world = committed_world
    change(world.own_client, first_name="Before")
    closed()

    def read(since: Position) -> tuple[int, list[TrailRow], Position]:
        with acting_as(role, user_id=world.users[name].pk), connection.cursor() as cursor:
            cursor.execute(views._END)
            end = Position(*cursor.fetchone())
            cursor.execute(_READ)
            (before,) = cursor.fetchone()
            batch = Batch.read(SyncCursor(("client",), since), Scope.OWN if role is Role.EXTERNAL else Scope.ALL)
            cursor.execute(_READ)
            return cursor.fetchone()[0] - before, batch.entries, end

    *_, since = read(Position("0", 0))
    trail.run(_OF_OTHERS, 2_000)
    # The planner reads the ends of indexes. Few dead entries stay there, unless INDEX_CLEANUP asks for their removal.
    migrator.cursor().execute("VACUUM (ANALYZE, INDEX_CLEANUP ON) audit.entry")
    closed()
    count, entries, end = read(since)
    assert (entries, end) == ([], since)
    assert count < 100  # the newest entry, and what the planner reads at the ends of an index
    change(world.own_client, first_name="After")
    closed()
    count, entries, end = read(since)
    assert [entry.key for entry in entries] == [world.own_client.pk] and end > since
    assert count < 150


def test_an_entry_says_if_copies_read_it(committed_world: World, migrator: Any) -> None:
    world = committed_world
    change(world.own_client, first_name="Another")
    change(world.users["sales"], last_name="Another")
    change(world.users["sales"], mobile="+33612345679")
    Mail.objects.create(kind="invitation", user=world.users["sales"])
    with migrator.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, is_synced FROM audit.entry WHERE new ->> 'kind' IS DISTINCT FROM 'account_news'"
            " ORDER BY id DESC LIMIT 4"
        )
        assert cursor.fetchall() == [
            ("accounts_mail", False), ("accounts_user", False), ("accounts_user", True), ("clients_client", True),
        ]  # fmt: skip


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
