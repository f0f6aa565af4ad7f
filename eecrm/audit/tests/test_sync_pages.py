"""Copies that are read page by page, while others write: nothing is missed between two answers."""

from typing import Any

import pytest

from access.database import acting_as
from access.policy import Role
from audit.tests.replica import Copies, Replica, change, delete, view_of
from conftest import Caller, World, make_client, make_contract, make_event


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
    monkeypatch.setattr("audit.sync.views.BATCH", 3)
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
