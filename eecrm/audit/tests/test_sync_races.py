"""Copies that are read while others write: at rest each is the server's view, for every role, round after round."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import Model, ProtectedError
from django.utils import timezone

from access.database import acting_as, because
from access.policy import Role
from accounts.models import User
from audit.tests.replica import Replica, change, delete, view_of
from clients.models import Client
from conftest import PATIENCE, Caller, World, make_client, make_contract, make_event
from contracts.models import Contract
from events.models import Event

ROUNDS = max(2, int(os.environ.get("ROUNDS", "5")) // 4)  # each of them is long; the acts of the stage take two
PEOPLE = ("sales", "support", "partner", "auditor", "unlinked")
WRITERS, TRANSACTIONS = 4, 5
CLIENT_OF = {Client: "pk", Contract: "client", Event: "contract__client"}


class _TakenBack(Exception):
    """Rolls a transaction back that nothing was wrong with."""


class Stage:
    """A client that no writer touches, linked to `unlinked`. Each kind of change happens to it in every run."""

    def __init__(self, world: World) -> None:
        self.partner = world.users["unlinked"]
        with acting_as(Role.SUPERUSER):
            self.client = make_client("Stage", world.users["sales"], email="stage@stage.example")
            self.contract = make_contract(self.client, "Stage", signed=True)
            self.event = make_event(self.contract, "Stage", None)

    def set_up(self) -> None:
        change(self.client, account=self.partner)
        with acting_as(Role.SUPERUSER):
            self.doomed = make_event(self.contract, "Doomed", None)

    def act(self, number: int) -> None:
        """Changes and deletes in one round, takes the client from its partner's sight in the next."""
        try:
            if number % 2:
                change(self.client, account=None)
            else:
                change(self.event, name=f"Round {number}")
                delete(self.doomed)
        finally:
            connection.close()


class Writer:
    """Does all that can be done, in no order, several things in a transaction, some of them taken back."""

    def __init__(self, world: World, stage: Stage, number: int, chance: Random) -> None:
        self.users, self.stage, self.any = world.users, stage, chance
        self.deleted: list[tuple[type[Model], dict[str, Any]]] = []
        self.number = number

    def play(self) -> None:
        done, deadline = 0, time.monotonic() + PATIENCE
        while done < TRANSACTIONS:
            assert time.monotonic() < deadline, "the writers were refused too often"
            try:
                with because("A round of the test"), acting_as(Role.SUPERUSER):
                    with connection.cursor() as cursor:
                        cursor.execute("SET LOCAL lock_timeout = '300ms'")
                    for action in self.any.choices(self.ACTIONS, k=self.any.randint(1, 4)):
                        action(self)
                    if self.any.random() < 0.1:
                        raise _TakenBack
                done += 1
            except (DatabaseError, ProtectedError, _TakenBack):
                continue  # a rule, a lock or somebody quicker: nothing of it stays
        connection.close()

    def one(self, model: type[Model], **narrow: Any) -> Any:
        rows = model._default_manager.filter(**narrow).exclude(**{CLIENT_OF[model]: self.stage.client.pk})
        keys = list(rows.order_by("pk").values_list("pk", flat=True))
        return model._default_manager.filter(pk=self.any.choice(keys)).first() if keys else None

    def name(self) -> str:
        self.number += 1_000
        return f"Name {self.number}"

    def change(self, row: Any, **values: Any) -> None:
        if row is not None:
            type(row)._default_manager.filter(pk=row.pk).update(**values)

    def make_one(self) -> None:
        salesperson = self.users[self.any.choice(["sales", "other_sales"])]
        match self.any.randint(0, 3):
            case 0 if Client.objects.count() < 12:
                make_client(self.name(), salesperson, email=f"{self.number}@a.example")
            case 1 if client := self.one(Client, status="client"):
                make_contract(client, self.name(), signed=self.any.random() < 0.7)
            case _:
                if contract := self.one(Contract, status="signed"):
                    make_event(contract, self.name(), self.users["support"])

    def change_one(self) -> None:
        match self.any.randint(0, 3):
            case 0:
                self.change(self.one(Client), company_name=self.name())
            case 1:
                self.change(
                    self.one(Contract), name=self.name(), payment_due=date(2027, 1, 1) + timedelta(self.number % 300)
                )
            case 2:
                self.change(self.one(Event), name=self.name())
            case _:
                self.change(self.users[self.any.choice(["sales", "other_sales", "support"])], last_name=self.name())

    def sign_one(self) -> None:
        self.change(self.one(Contract, status="draft"), status="signed", signed_at=timezone.now())

    def reopen_one(self) -> None:
        self.change(self.one(Contract, status="signed"), status="draft")

    def move_one(self) -> None:
        self.change(self.one(Client), sales_contact=self.users[self.any.choice(["sales", "other_sales"])])
        self.change(self.one(Event), support_contact=self.any.choice([None, self.users["other_support"]]))

    def delete_one(self) -> None:
        row = self.one(self.any.choice([Client, Contract, Contract, Event, Event]))
        if row is not None:
            with transaction.atomic():
                type(row).objects.filter(pk=row.pk).delete()
            self.deleted.append((type(row), {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields}))

    def delete_family(self) -> None:
        if client := self.one(Client):
            Event.objects.filter(contract__client=client).delete()
            Contract.objects.filter(client=client).delete()
            Client.objects.filter(pk=client.pk).delete()

    def restore_one(self) -> None:
        if self.deleted:
            model, values = self.deleted.pop()
            values.pop("search")
            with transaction.atomic():
                model._default_manager.create(**values)

    def link(self) -> None:
        Client.objects.filter(account=self.users["partner"]).update(account=None)
        self.change(self.one(Client), account=self.users["partner"])

    def unlink(self) -> None:
        Client.objects.filter(account=self.users["partner"]).update(account=None)

    ACTIONS = (
        make_one, make_one, make_one, change_one, change_one, sign_one, reopen_one, move_one, delete_one, delete_one, delete_family,
        restore_one, link, link, unlink,
    )  # fmt: skip


@pytest.fixture
def crowd(committed_world: World) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(WRITERS + 1 + 2 * len(PEOPLE)) as pool:
        yield pool


def reading(copy: Replica, writing: list[Future[None]]) -> None:
    """Asks again and again until the writers are done."""
    while not all(one.done() for one in writing):
        copy.step()
    connection.close()


def test_at_rest_each_copy_is_the_servers_view(
    committed_world: World, crowd: ThreadPoolExecutor, closed: Any, settings: Any, chance: Random
) -> None:
    settings.RATE_LIMITS = {name: (10_000_000, seconds) for name, (_, seconds) in settings.RATE_LIMITS.items()}
    users: dict[str, User] = committed_world.users
    stage = Stage(committed_world)
    callers = {name: Caller.as_user(users[name]) for name in PEOPLE}
    old = {name: Replica(callers[name]) for name in PEOPLE}
    writers = [Writer(committed_world, stage, number, Random(chance.random())) for number in range(WRITERS)]
    told: Counter[tuple[str, str]] = Counter()
    for number in range(ROUNDS):
        stage.set_up()
        closed()
        # A copy that begins in the midst of it, and one of the rounds before.
        new = {name: Replica(callers[name], page_size=(1, 2, 7, 200)[number % 4]) for name in PEOPLE}
        for copy in old.values():
            copy.catch_up()
            copy.told, copy.parameters = [], {"page_size": (200, 1, 50, 3)[number % 4]}
        copies = [*old.values(), *new.values()]
        writing = [crowd.submit(writer.play) for writer in writers] + [crowd.submit(stage.act, number)]
        readers = [crowd.submit(reading, copy, writing) for copy in copies]
        wait([*writing, *readers])
        for one in (*writing, *readers):
            one.result()
        closed()
        for name in PEOPLE:
            expected = view_of(callers[name])
            for copy in (old[name], new[name]):
                while copy.step():
                    pass
                assert copy.rows == expected, (number, name, difference(copy.rows, expected))
            told.update((name, op) for _, _, op in old[name].told)
        old |= {name: copy for name, copy in new.items() if number % 5 == 4}
    of_the_stage = {(name, op) for name in PEOPLE if name != "partner" for op in ("upsert", "delete")}
    assert told.keys() >= of_the_stage | {("unlinked", "revoke")}


def difference(have: dict[Any, Any], want: dict[Any, Any]) -> dict[Any, Any]:
    return {key: (have.get(key), want.get(key)) for key in have.keys() | want.keys() if have.get(key) != want.get(key)}
