"""Loads the demo data in the PostgreSQL role of the application's superusers.

This role may insert rows in any status, and may take primary keys from the sequences.
"""

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
from events.demo.accounts import MadeAccounts, find_contacts, make_missing_accounts
from events.demo.companies import BY_HAND, company
from events.demo.inserting import insert_rows, reserve_ids
from events.demo.rows import ClientRow, ContractRow, EventRow
from events.demo.story import CAME_IN, SHAPES, ClientPlan, Story
from events.models import Event

# A transaction with the maximum number of clients takes 2 s on two busy processors (load average of 12).
# After a timeout `fill` halves the number of clients, but never below the minimum.
MAX_CLIENTS_PER_TRANSACTION, MIN_CLIENTS_PER_TRANSACTION = 500, 25


@dataclass(frozen=True)
class Loaded:
    clients: int = 0
    contracts: int = 0
    events: int = 0

    def __add__(self, other: "Loaded") -> "Loaded":
        return Loaded(self.clients + other.clients, self.contracts + other.contracts, self.events + other.events)


def make_accounts() -> MadeAccounts:
    with acting_as(Role.SUPERUSER):
        return make_missing_accounts()


def load_company() -> Loaded:
    """Loads the forty handwritten clients, but loads nothing if one of these clients exists already.

    A user who has deleted some of these clients doesn't want them back.
    """
    by_hand = [company(number).email for number in range(BY_HAND)]
    with acting_as(Role.SUPERUSER):
        if Client.objects.annotate(key=Lower("email")).filter(key__in=by_hand).exists():
            return Loaded()
        story = _generate(BY_HAND, start=0, total=BY_HAND, is_by_hand=True)
        Client.objects.bulk_create(Client(**row._asdict()) for row in story.clients)
        Contract.objects.bulk_create(Contract(**row._asdict()) for row in story.contracts)
        Event.objects.bulk_create(Event(**row._asdict()) for row in story.events)
        return _counted_rows(story)


def missing_clients(target: int) -> int:
    """Returns the number of clients to add until the database has `target` clients."""
    with acting_as(Role.SUPERUSER):
        return max(0, target - Client.objects.count())


def fill(count: int) -> Iterator[Loaded]:
    """Adds `count` generated clients in several transactions. Yields the numbers of rows of each transaction.

    If a transaction fails, the rows of earlier transactions stay. Call `fill` again to continue.

    A transaction locks the accounts that its rows refer to, so a single transaction for all rows would keep these users
    from logging in. After a statement timeout, all further transactions have half as many clients.
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
    """Adds `count` clients in one transaction of `fill`."""
    with acting_as(Role.SUPERUSER):
        story = _generate(count, start=start, total=total)
        insert_rows(Client, story.clients, ClientRow._fields)
        insert_rows(Contract, story.contracts, ContractRow._fields)
        insert_rows(Event, story.events, EventRow._fields)
    return _counted_rows(story)


def _generate(count: int, *, start: int, total: int, is_by_hand: bool = False) -> Story:
    """Generates `count` clients of a series of `total` clients. The first of them has the number `start` in the series.

    The creation times of the whole series are spread evenly: client number 0 was created CAME_IN ago, and the last one
    shortly before now.
    """
    contacts, now = find_contacts(), timezone.now().replace(microsecond=0)
    shapes = [SHAPES[number % len(SHAPES)] for number in range(start, start + count)]
    client_ids = reserve_ids(Client, count)
    contract_ids = iter(reserve_ids(Contract, sum(shape.contracts for shape in shapes)))
    story = Story(contacts.support, now=now, seed=0 if is_by_hand else client_ids[0])
    for number, (client_id, shape) in enumerate(zip(client_ids, shapes, strict=True), start):
        story.add(ClientPlan(
            client_id, list(islice(contract_ids, shape.contracts)),
            # The client's key is unique, so an email address that contains it is unique, too.
            company(number if is_by_hand else BY_HAND + client_id), shape,
            came_in=(now - CAME_IN * (1 - number / total)).replace(microsecond=0),
            sales_contact_id=contacts.sales[number // len(SHAPES) % len(contacts.sales)],
            account_id=contacts.partner if is_by_hand and number == 0 else None,
        ))  # fmt: skip
    return story


def _counted_rows(story: Story) -> Loaded:
    return Loaded(len(story.clients), len(story.contracts), len(story.events))
