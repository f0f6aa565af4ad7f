"""What copies of partners are told of what was theirs, and that they are told of nothing else."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from access.database import acting_as
from access.policy import Role
from api.tests.test_at_once import alone, wait_for_a_blocked_statement
from audit.tests.replica import Copies, Replica, change, delete, view_of
from conftest import PATIENCE, Caller, World, make_contract, make_event


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


def test_a_link_waits_for_what_is_made_below_it_so_that_nothing_stays_behind(
    committed_world: World, copy_of: Copies, closed: Any, other_connection: Any, migrator: Any
) -> None:
    """Otherwise the event would be seen, in no entry that is told: not before the link was gone, and not with it."""
    copy, world = copy_of("partner"), committed_world
    with other_connection.cursor() as slow, migrator.cursor() as watching, ThreadPoolExecutor() as pool:
        slow.execute("SELECT set_config('role', 'eecrm_superuser', true)")
        slow.execute(
            "INSERT INTO events_event (contract_id, name, attendees, starts_at, location, notes)"
            " VALUES (%s, 'Slow party', 1, now(), '', '')",
            [world.own_signed.pk],
        )
        unlinked = pool.submit(alone(lambda: change(world.own_client, account=None)))
        wait_for_a_blocked_statement(watching)
        other_connection.commit()
        unlinked.result(timeout=PATIENCE)
    closed()
    told = copy.catch_up()
    assert {op for _, _, op in told} == {"revoke"}
    assert len(told) == 5
    assert copy.rows == view_of(copy.caller) == {}


def make_party(world: World) -> None:
    with acting_as(Role.SUPERUSER):
        make_event(world.own_signed, "Party of nobody's", None)


@pytest.mark.parametrize("meanwhile", [make_party, lambda world: delete(world.own_event)], ids=["make", "delete"])
def test_what_hangs_below_waits_for_a_link_so_that_nobody_is_shown_what_no_entry_takes_back(
    committed_world: World, closed: Any, other_connection: Any, migrator: Any, meanwhile: Any
) -> None:
    """Otherwise a copy could be shown an event whose entry comes after that of the link, and keep it."""
    copy, world = Replica(Caller.as_user(committed_world.users["partner"])), committed_world
    with other_connection.cursor() as slow, migrator.cursor() as watching, ThreadPoolExecutor() as pool:
        slow.execute("SELECT set_config('role', 'eecrm_superuser', true)")
        slow.execute("UPDATE clients_client SET account_id = NULL WHERE id = %s", [world.own_client.pk])
        waiting = pool.submit(alone(lambda: meanwhile(world)))
        try:
            wait_for_a_blocked_statement(watching)
            copy.catch_up()
        finally:
            other_connection.commit()
        waiting.result(timeout=PATIENCE)
    closed()
    assert {op for _, _, op in copy.catch_up()} == {"revoke"}
    assert copy.rows == view_of(copy.caller) == {}
