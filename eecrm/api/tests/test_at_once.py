"""Two requests at once, on connections of their own, with commits that the other one sees."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

from django.db import IntegrityError, connection

from access.database import acting_as
from access.policy import Role
from accounts import tokens
from accounts.models import User
from conftest import API, Caller, World, make_client

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
    callers = [Caller.as_user(committed_world.users["sales"]) for _ in range(8)]
    body = {"company_name": "Twin", "first_name": "A", "last_name": "B", "email": "twin@twin.example"}
    with ThreadPoolExecutor(8) as pool:
        create = [alone(partial(caller.post, API + "clients/", body)) for caller in callers]
        answers = [future.result(timeout=30) for future in [pool.submit(one) for one in create]]
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


def demote(user: User) -> bool:
    try:
        with acting_as(Role.SUPERUSER):
            User.objects.filter(pk=user.pk).update(role=Role.SALES)
    except IntegrityError:
        return False
    return True


def test_of_two_last_managers_demoted_at_once_one_stays(committed_world: World) -> None:
    managers = [committed_world.users[name] for name in ("management", "other_management")]
    for _ in range(ROUNDS):
        with ThreadPoolExecutor(2) as pool:
            done = [
                future.result(timeout=20) for future in [pool.submit(alone(partial(demote, one))) for one in managers]
            ]
        assert sorted(done) == [False, True]
        with acting_as(Role.SUPERUSER):
            User.objects.filter(pk__in=[one.pk for one in managers]).update(role=Role.MANAGEMENT)


def test_a_contract_and_the_end_of_its_client_at_once_leave_one_of_them(committed_world: World) -> None:
    manager = committed_world.users["management"]
    for round_number in range(ROUNDS):
        with acting_as(Role.SUPERUSER):
            client = make_client(f"Race {round_number}", committed_world.users["sales"])
        path, body = f"{API}clients/{client.pk}/", {"name": "Last", "amount": "1.00", "payment_due": "2027-01-01"}
        adder, remover = Caller.as_user(manager), Caller.as_user(manager)
        with ThreadPoolExecutor(2) as pool:
            adds = pool.submit(alone(partial(adder.post, path + "contracts/", body)))
            removes = pool.submit(alone(partial(remover.delete, path)))
            outcome = adds.result(timeout=20).status_code, removes.result(timeout=20).status_code
        assert outcome in {(201, 409), (404, 204), (409, 204)}, outcome
