"""Races: many threads do the same at the same moment, round after round, and one of them wins (`security.md` 12 and 27)."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from django.db import IntegrityError, connection

from access.database import acting_as
from access.policy import Role
from access.tests.paths import address, below, body_of
from accounts.login import tokens
from accounts.models import User
from audit.models import Entry
from clients.models import Client
from conftest import API, PATIENCE, Caller, World, make_client, make_contract, make_event
from contracts.models import Contract

ROUNDS = int(os.environ.get("ROUNDS", "3"))  # CI plays them 100 times
SIZE = 16

Crowd = Callable[[Sequence[Callable[[], Any]]], list[Any]]


@pytest.fixture
def at_once(committed_world: World, settings: Any) -> Iterator[Crowd]:
    """Without limits, which many rounds would meet. Does sixteen (or 32) things at the same moment, each in a thread that keeps its connection from round to round."""
    settings.RATE_LIMITS = {name: (10_000_000, seconds) for name, (_, seconds) in settings.RATE_LIMITS.items()}
    pools: dict[int, ThreadPoolExecutor] = {}

    def together(start: Barrier, action: Callable[[], Any]) -> Any:
        start.wait(timeout=PATIENCE)
        return action()

    def crowd(actions: Sequence[Callable[[], Any]]) -> list[Any]:
        size = len(actions)
        pool = pools.setdefault(size, ThreadPoolExecutor(size))
        return list(pool.map(partial(together, Barrier(size)), actions, timeout=PATIENCE))

    yield crowd
    for size, pool in pools.items():
        list(pool.map(partial(together, Barrier(size)), [lambda: connection.close()] * size))
        pool.shutdown()


def test_of_many_exchanges_of_one_refresh_token_one_wins(committed_world: World, at_once: Crowd) -> None:
    for number in range(ROUNDS):
        first = tokens.log_in(committed_world.users["sales"]).refresh
        phone = Caller(REMOTE_ADDR=f"192.0.2.{number % 250}")
        answers = at_once([partial(phone.post, API + "users/refresh/", {"refresh": first})] * 32)
        assert {answer.status_code for answer in answers} == {200}
        successors = {answer.json()["refresh"] for answer in answers}
        assert len(successors) == 1
        assert first not in successors


def test_of_many_clients_with_one_email_one_is_made(committed_world: World, at_once: Crowd) -> None:
    callers = [Caller.as_user(committed_world.users["sales"]) for _ in range(SIZE)]
    body = {"company_name": "Twin", "first_name": "A", "last_name": "B"}
    for number in range(ROUNDS):
        # One mailbox in four spellings: capitals, NFD, IDNA's ASCII, letters of full width.
        spelt = [
            f"Twin{number}@TWÏN.example", f"twin{number}@twi\u0308n.example",
            f"twin{number}@xn--twn-0ma.example", f"ｔｗｉｎ{number}＠ｔｗïｎ．example",
        ] * (SIZE // 4)  # fmt: skip
        answers = at_once(
            [
                partial(one.post, API + "clients/", body | {"email": email})
                for one, email in zip(callers, spelt, strict=True)
            ]
        )
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * (SIZE - 1)


@pytest.mark.parametrize(("noun", "status"), [("contract", "signed"), ("event", "closed")])
def test_of_many_who_sign_or_close_one_does_it(noun: str, status: str, committed_world: World, at_once: Crowd) -> None:
    person = committed_world.users["sales" if noun == "contract" else "support"]
    people = [person, committed_world.users["management"]] * (SIZE // 2)
    callers = [Caller.as_user(one) for one in people]
    for number in range(ROUNDS):
        with acting_as(Role.SUPERUSER):
            row: Any = (
                make_contract(committed_world.own_client, f"Race {number}")
                if noun == "contract"
                else make_event(committed_world.own_signed, f"Race {number}", person)
            )
        answers = at_once([partial(one.patch, f"{API}{noun}s/{row.pk}/", {"status": status}) for one in callers])
        # Whoever comes second finds it done: nothing to change, or a closed event that they may only read.
        statuses = {answer.status_code for answer in answers}
        assert 200 in statuses <= {200, 409}, statuses
        with acting_as(Role.SUPERUSER):
            row.refresh_from_db(fields=["status", "version"])
            changes = [entry.new["status"] for entry in Entry.objects.about(row).filter(operation="update")]
        assert (row.status, row.version, changes) == (status, 2, [status])


@pytest.mark.parametrize("mixed", [False, True])
def test_of_many_who_write_to_one_version_one_wins(mixed: bool, committed_world: World, at_once: Crowd) -> None:
    callers = [Caller.as_user(committed_world.users["management"]) for _ in range(SIZE)]
    for number in range(ROUNDS):
        with acting_as(Role.SUPERUSER):
            row = make_contract(committed_world.own_client, f"Race {number}")
        path = f"{API}contracts/{row.pk}/"
        known = callers[0].get(path)["ETag"]
        writes = [partial(one.patch, path, {"name": f"By {n}"}, HTTP_IF_MATCH=known) for n, one in enumerate(callers)]
        if mixed:
            writes[::4] = [partial(one.delete, path, HTTP_IF_MATCH=known) for one in callers[::4]]
        answers = at_once(writes)
        won = [answer for answer in answers if answer.status_code < 300]
        lost = [answer for answer in answers if answer.status_code >= 300]
        assert len(won) == 1, [answer.status_code for answer in answers]
        if won[0].status_code == 204:
            assert {answer.status_code for answer in lost} == {404}
            continue
        told = {(answer.status_code, answer["ETag"], answer.json()["version"]) for answer in lost}
        assert told == {(412, won[0]["ETag"], 2)}
        assert [answer.json()["changed"] for answer in lost] == [["name"]] * (SIZE - 1)
        with acting_as(Role.SUPERUSER):
            row.refresh_from_db(fields=["name", "version"])
        assert (row.name, row.version) == (won[0].json()["name"], 2)


@pytest.mark.parametrize("noun", ["client", "contract"])
def test_of_many_repeats_with_one_key_one_creates_and_all_get_its_answer(
    noun: str, committed_world: World, at_once: Crowd
) -> None:
    callers = [Caller.as_user(committed_world.users["sales"]) for _ in range(32)]
    path = API + "clients/" if noun == "client" else below(committed_world.own_client)
    for number in range(ROUNDS):
        body = body_of(noun, committed_world)
        body |= {"email": f"once{number}@once.example"} if noun == "client" else {"name": f"Once {number}"}
        answers = at_once([partial(one.post, path, body, HTTP_IDEMPOTENCY_KEY=f"key-{number}") for one in callers])
        told = {(answer.status_code, answer["Location"], answer.content) for answer in answers}
        assert [status for status, _, _ in told] == [201]
        assert sum("Idempotency-Replayed" not in answer for answer in answers) == 1
        with acting_as(Role.SUPERUSER):
            model: Any = Client if noun == "client" else Contract
            assert model.objects.filter(**{name: body[name] for name in ("email", "name") if name in body}).count() == 1


def demote(user: User) -> bool:
    try:
        with acting_as(Role.SUPERUSER):
            return bool(User.objects.filter(pk=user.pk, role=Role.MANAGEMENT).update(role=Role.SALES))
    except IntegrityError:
        return False


def test_of_two_last_managers_demoted_at_once_one_stays(committed_world: World, at_once: Crowd) -> None:
    managers = [committed_world.users[name] for name in ("management", "other_management")]
    for _ in range(ROUNDS):
        assert at_once([partial(demote, one) for one in managers * (SIZE // 2)]).count(True) == 1
        with acting_as(Role.SUPERUSER):
            User.objects.filter(pk__in=[one.pk for one in managers]).update(role=Role.MANAGEMENT)


@pytest.mark.parametrize("noun", ["client", "contract"])
def test_children_and_the_end_of_their_parent_leave_one_of_them(
    noun: str, committed_world: World, at_once: Crowd
) -> None:
    callers = [Caller.as_user(committed_world.users["management"]) for _ in range(SIZE)]
    body = body_of({"client": "contract", "contract": "event"}[noun], committed_world)
    for number in range(ROUNDS):
        with acting_as(Role.SUPERUSER):
            parent: Any = make_client(f"Race {number}", committed_world.users["sales"])
            if noun == "contract":
                parent = make_contract(parent, f"Race {number}", signed=True)
        adds = [partial(one.post, below(parent), body) for one in callers[::2]]
        removes = [partial(one.delete, address(parent)) for one in callers[1::2]]
        statuses = [answer.status_code for answer in at_once([*adds, *removes])]
        added, removed = set(statuses[: len(adds)]), statuses[len(adds) :]
        if 204 in removed:
            assert (removed.count(204), added <= {404, 409}, set(removed) <= {204, 404}) == (1, True, True), statuses
        else:
            assert (added, set(removed)) == ({201}, {409}), statuses
