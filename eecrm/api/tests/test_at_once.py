"""Two requests at once, on connections of their own, with commits that the other one sees."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from django.db import IntegrityError, connection

from access.database import acting_as
from access.policy import Role
from access.tests.paths import address, below, body_of
from accounts import tokens
from accounts.models import User
from audit.models import Entry
from conftest import API, Caller, World, make_client, make_contract, make_event

ROUNDS = int(os.environ.get("ROUNDS", "10"))  # CI plays the races 100 times


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
        answer = deletes.result(timeout=20)
    assert (answer.status_code, answer.json()["rule"]) == (403, "event.delete.support.own")


def wait_for_a_blocked_statement(cursor: Any) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        if cursor.fetchone()[0]:
            return
        time.sleep(0.01)


def test_a_change_that_comes_second_is_not_lost(committed_world: World, migrator: Any) -> None:
    contract = committed_world.own_draft
    sales = Caller.as_user(committed_world.users["sales"])
    migrator.autocommit = False
    with migrator.cursor() as cursor, ThreadPoolExecutor() as pool:
        cursor.execute("UPDATE contracts_contract SET name = 'Renamed by the first' WHERE id = %s", [contract.pk])
        second = pool.submit(alone(partial(sales.patch, f"{API}contracts/{contract.pk}/", {"name": contract.name})))
        wait_for_a_blocked_statement(cursor)
        migrator.commit()
        row = second.result(timeout=20).json()
    assert (row["name"], row["version"]) == (contract.name, 3)


def test_of_many_exchanges_of_one_refresh_token_one_wins(committed_world: World) -> None:
    together = Barrier(32)

    def one(refresh: str, address: str) -> Any:
        together.wait(timeout=30)
        return Caller(REMOTE_ADDR=address).post(API + "users/refresh/", {"refresh": refresh})

    with ThreadPoolExecutor(32) as pool:
        for number in range(ROUNDS):
            first = tokens.log_in(committed_world.users["sales"]).refresh
            answers = list(pool.map(one, [first] * 32, [f"192.0.2.{number % 250}"] * 32))
            assert {answer.status_code for answer in answers} == {200}
            successors = {answer.json()["refresh"] for answer in answers}
            assert len(successors) == 1
            assert first not in successors
        list(pool.map(lambda _: (together.wait(timeout=30), connection.close()), range(32)))


def test_of_many_clients_with_one_email_one_is_made(committed_world: World) -> None:
    callers = [Caller.as_user(committed_world.users["sales"]) for _ in range(16)]
    for number in range(ROUNDS):
        body = {"company_name": "Twin", "first_name": "A", "last_name": "B", "email": f"twin{number}@twin.example"}
        with ThreadPoolExecutor(16) as pool:
            create = [alone(partial(caller.post, API + "clients/", body)) for caller in callers]
            answers = [future.result(timeout=30) for future in [pool.submit(one) for one in create]]
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 15


def change_at_once(people: list[User], address: str, body: dict[str, Any]) -> list[int]:
    """The statuses that so many people get who send the same change at the same moment."""
    together = Barrier(len(people))

    def one(person: User) -> int:
        caller = Caller.as_user(person)
        together.wait(timeout=30)
        return int(caller.patch(address, body).status_code)

    with ThreadPoolExecutor(len(people)) as pool:
        done = [pool.submit(alone(partial(one, person))) for person in people]
        return [future.result(timeout=60) for future in done]


@pytest.mark.parametrize(("noun", "status"), [("contract", "signed"), ("event", "closed")])
def test_of_many_who_sign_or_close_at_once_one_does_it(noun: str, status: str, committed_world: World) -> None:
    person = committed_world.users["sales" if noun == "contract" else "support"]
    manager = committed_world.users["management"]
    for number in range(ROUNDS):
        with acting_as(Role.SUPERUSER):
            row: Any = (
                make_contract(committed_world.own_client, f"Race {number}")
                if noun == "contract"
                else make_event(committed_world.own_signed, f"Race {number}", person)
            )
        statuses = change_at_once([person, manager] * 8, f"{API}{noun}s/{row.pk}/", {"status": status})
        # Whoever comes second finds it done: nothing to change, or a closed event that they may only read.
        assert set(statuses) <= {200, 409}, statuses
        with acting_as(Role.SUPERUSER):
            row.refresh_from_db(fields=["status", "version"])
            changes = [entry.new["status"] for entry in Entry.objects.about(row).filter(operation="update")]
        assert (row.status, row.version, changes) == (status, 2, [status])


def demote(user: User) -> bool:
    try:
        with acting_as(Role.SUPERUSER):
            return bool(User.objects.filter(pk=user.pk, role=Role.MANAGEMENT).update(role=Role.SALES))
    except IntegrityError:
        return False


def test_of_two_last_managers_demoted_at_once_one_stays(committed_world: World) -> None:
    managers = [committed_world.users[name] for name in ("management", "other_management")]
    for _ in range(ROUNDS):
        with ThreadPoolExecutor(16) as pool:
            tries = [pool.submit(alone(partial(demote, one))) for one in managers * 8]
            done = [future.result(timeout=30) for future in tries]
        assert done.count(True) == 1
        with acting_as(Role.SUPERUSER):
            User.objects.filter(pk__in=[one.pk for one in managers]).update(role=Role.MANAGEMENT)


@pytest.mark.parametrize("noun", ["client", "contract"])
def test_children_and_the_end_of_their_parent_at_once_leave_one_of_them(noun: str, committed_world: World) -> None:
    manager = committed_world.users["management"]
    for number in range(ROUNDS):
        with acting_as(Role.SUPERUSER):
            parent: Any = make_client(f"Race {number}", committed_world.users["sales"])
            if noun == "contract":
                parent = make_contract(parent, f"Race {number}", signed=True)
        body = body_of({"client": "contract", "contract": "event"}[noun], committed_world)
        callers = [Caller.as_user(manager) for _ in range(16)]
        with ThreadPoolExecutor(16) as pool:
            adds = [pool.submit(alone(partial(one.post, below(parent), body))) for one in callers[:8]]
            removes = [pool.submit(alone(partial(one.delete, address(parent)))) for one in callers[8:]]
            added = {future.result(timeout=30).status_code for future in adds}
            removed = sorted(future.result(timeout=30).status_code for future in removes)
        if 204 in removed:
            assert (removed.count(204), added <= {404, 409}) == (1, True), (added, removed)
            assert set(removed) <= {204, 404}, removed
        else:
            assert (added, set(removed)) == ({201}, {409}), (added, removed)
