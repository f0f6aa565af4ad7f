"""Two requests at once, on connections of their own, with commits that the other one sees."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from django.db import connection

from conftest import API, PATIENCE, Caller, World


def alone(action: Callable[[], Any]) -> Callable[[], Any]:
    """The action on a connection of its thread, which ends with it."""

    def run() -> Any:
        try:
            return action()
        finally:
            connection.close()

    return run


def test_an_event_that_is_given_away_meanwhile_is_no_longer_ones_own(committed_world: World, migrator: Any) -> None:
    event, support = committed_world.own_event, Caller.as_user(committed_world.users["support"])
    migrator.autocommit = False
    with migrator.cursor() as cursor, ThreadPoolExecutor() as pool:
        successor = committed_world.users["other_support"].pk
        cursor.execute("UPDATE events_event SET support_contact_id = %s WHERE id = %s", [successor, event.pk])
        deletes = pool.submit(alone(partial(support.delete, f"{API}events/{event.pk}/")))
        wait_for_a_blocked_statement(cursor)
        migrator.commit()
        answer = deletes.result(timeout=PATIENCE)
    assert (answer.status_code, answer.json()["rule"]) == (403, "event.delete.support.own")


def wait_for_a_blocked_statement(cursor: Any, number: int = 1) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        # A transaction sees one picture of the activity; in this database: the other process of the tests has locks, too.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()"
        )
        if cursor.fetchone()[0] >= number:
            return
        time.sleep(0.01)
    raise AssertionError("no statement waits for another")


def test_a_change_that_comes_second_is_not_lost(committed_world: World, migrator: Any) -> None:
    contract = committed_world.own_draft
    sales = Caller.as_user(committed_world.users["sales"])
    migrator.autocommit = False
    with migrator.cursor() as cursor, ThreadPoolExecutor() as pool:
        cursor.execute("UPDATE contracts_contract SET name = 'Renamed by the first' WHERE id = %s", [contract.pk])
        second = pool.submit(alone(partial(sales.patch, f"{API}contracts/{contract.pk}/", {"name": contract.name})))
        wait_for_a_blocked_statement(cursor)
        migrator.commit()
        row = second.result(timeout=PATIENCE).json()
    assert (row["name"], row["version"]) == (contract.name, 3)
