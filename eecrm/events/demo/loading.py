"""The demo company into the database, with the rights of the superuser's database role: rows may come in in any state."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from django.db import OperationalError
from django.db.models.functions import Lower
from django.utils import timezone
from psycopg2.errors import QueryCanceled

from access.database import acting_as
from access.policy import Role
from clients.models import Client
from contracts.models import Contract
from events.demo.accounts import find_contacts, make_missing_accounts
from events.demo.companies import BY_HAND, company
from events.demo.inserting import insert_rows, reserve_ids
from events.demo.rows import ClientRow, ContractRow, EventRow
from events.demo.story import CAME_IN, SHAPES, ClientPlan, Story
from events.models import Event

# Two seconds on two cores with a load of 12. The fewest are tried when even less than that takes too long.
MAX_CLIENTS_PER_TRANSACTION, MIN_CLIENTS_PER_TRANSACTION = 500, 25


@dataclass(frozen=True)
class Loaded:
    clients: int = 0
    contracts: int = 0
    events: int = 0

    def __add__(self, other: "Loaded") -> "Loaded":
        return Loaded(self.clients + other.clients, self.contracts + other.contracts, self.events + other.events)


def make_accounts() -> int:
    with acting_as(Role.SUPERUSER):
        return make_missing_accounts()


def load_company() -> Loaded:
    """The forty clients made by hand, unless one of them is there: who deleted the others doesn't want them back."""
    by_hand = [company(number).email for number in range(BY_HAND)]
    with acting_as(Role.SUPERUSER):
        if Client.objects.annotate(key=Lower("email")).filter(key__in=by_hand).exists():
            return Loaded()
        story = _tell(BY_HAND, start=0, total=BY_HAND, is_by_hand=True)
        Client.objects.bulk_create(Client(**row._asdict()) for row in story.clients)
        Contract.objects.bulk_create(Contract(**row._asdict()) for row in story.contracts)
        Event.objects.bulk_create(Event(**row._asdict()) for row in story.events)
        return _counted_rows(story)


def missing_clients(target: int) -> int:
    """How many clients there are too few."""
    with acting_as(Role.SUPERUSER):
        return max(0, target - Client.objects.count())


def fill(count: int) -> Iterator[Loaded]:
    """So many invented clients more. What a transaction loaded stays when a later one fails: start again to go on.

    Rows lock the accounts that they name while their transaction runs, so that one for everything would keep these
    people from logging in. Where a statement takes too long, half as many clients are tried, and it stays at that.
    """
    start, size = 0, MAX_CLIENTS_PER_TRANSACTION
    while start < count:
        try:
            loaded = _fill(min(size, count - start), start=start, total=count)
        except OperationalError as error:
            if not isinstance(error.__cause__, QueryCanceled) or size // 2 < MIN_CLIENTS_PER_TRANSACTION:
                raise
            size //= 2
            continue
        start += loaded.clients
        yield loaded


def _fill(count: int, *, start: int, total: int) -> Loaded:
    """One transaction of `fill`."""
    with acting_as(Role.SUPERUSER):
        story = _tell(count, start=start, total=total)
        insert_rows(Client, story.clients, ClientRow._fields)
        insert_rows(Contract, story.contracts, ContractRow._fields)
        insert_rows(Event, story.events, EventRow._fields)
    return _counted_rows(story)


def _tell(count: int, *, start: int, total: int, is_by_hand: bool = False) -> Story:
    """The clients from number `start` on, of `total` that came in one after the other until now."""
    contacts, now = find_contacts(), timezone.now().replace(microsecond=0)
    shapes = [SHAPES[number % len(SHAPES)] for number in range(start, start + count)]
    client_ids = reserve_ids(Client, count)
    contract_ids = iter(reserve_ids(Contract, sum(shape.contracts for shape in shapes)))
    story = Story(contacts.support, now=now, seed=0 if is_by_hand else client_ids[0])
    for number, (client_id, shape) in enumerate(zip(client_ids, shapes, strict=True), start):
        story.add(ClientPlan(
            client_id, list(islice(contract_ids, shape.contracts)),
            # A key that was never given twice makes addresses that weren't either.
            company(number if is_by_hand else BY_HAND + client_id), shape,
            came_in=(now - CAME_IN * (1 - number / total)).replace(microsecond=0),
            sales_contact_id=contacts.sales[number // len(SHAPES) % len(contacts.sales)],
            account_id=contacts.partner if is_by_hand and number == 0 else None,
        ))  # fmt: skip
    return story


def _counted_rows(story: Story) -> Loaded:
    return Loaded(len(story.clients), len(story.contracts), len(story.events))
