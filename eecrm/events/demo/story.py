"""How a company's clients came in, signed and celebrated, as rows of the database: the same story for the same numbers."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import NamedTuple, TypeVar

from clients.models import Client
from contracts.models import Contract
from events.demo.accounts import Contacts
from events.demo.companies import Company
from events.demo.parties import NOTES, OCCASIONS, VENUES, Occasion
from events.models import Event

T = TypeVar("T")


class Shape(NamedTuple):
    """How much a client ordered: the number of events under each contract that it signed, and the drafts."""

    events: tuple[int, ...] = ()
    drafts: int = 0

    @property
    def contracts(self) -> int:
        return len(self.events) + self.drafts


# Clients come in fours with seven contracts and six events: 1.75 and 1.5 for each. The last of the four is a prospect still.
SHAPES = (Shape((2, 1)), Shape((2, 0), drafts=1), Shape((1,), drafts=1), Shape())

CAME_IN = timedelta(days=420)  # ago, the first of them
CELEBRATE = timedelta(days=30), timedelta(days=360)  # after they came in


class ClientRow(NamedTuple):
    id: int
    status: str
    company_name: str
    first_name: str
    last_name: str
    email: str
    phone: str
    mobile: str
    sales_contact_id: int
    account_id: int | None
    created_at: datetime
    updated_at: datetime


class ContractRow(NamedTuple):
    id: int
    client_id: int
    name: str
    status: str
    amount: int
    payment_due: date
    signed_at: datetime | None
    created_at: datetime
    updated_at: datetime


class EventRow(NamedTuple):
    contract_id: int
    support_contact_id: int | None
    name: str
    status: str
    attendees: int
    starts_at: datetime
    ends_at: datetime
    location: str
    notes: str
    created_at: datetime
    updated_at: datetime


class Story:
    """Rows of clients with what hangs on them, in the order in which they happened."""

    def __init__(self, contacts: Contacts, *, now: datetime, seed: int) -> None:
        self.contacts, self.now, self._random = contacts, now, Random(seed).random
        self.clients: list[ClientRow] = []
        self.contracts: list[ContractRow] = []
        self.events: list[EventRow] = []

    def add(
        self, company: Company, shape: Shape, *, client_id: int, contract_ids: Iterator[int], sales_contact_id: int,
        account_id: int | None, came_in: datetime,
    ) -> None:  # fmt: skip
        """One client with its contracts and events. `came_in` is when it was added, as a prospect."""
        ordered_at = self._soon_after(came_in, days=14)
        status = Client.Status.CLIENT if shape.contracts else Client.Status.PROSPECT
        self.clients.append(ClientRow(
            client_id, status.value, *company[:-1], sales_contact_id, account_id, came_in,
            ordered_at if shape.contracts else came_in,
        ))  # fmt: skip
        for events in shape.events:
            day = self._between(came_in + CELEBRATE[0], came_in + CELEBRATE[1])
            self._sign(client_id, next(contract_ids), ordered_at, day, events=events, city=company.city)
        for _ in range(shape.drafts):
            self._draft(client_id, next(contract_ids), ordered_at)

    def _sign(
        self, client_id: int, contract_id: int, ordered_at: datetime, day: datetime, *, events: int, city: str
    ) -> None:
        occasion, guests = self._pick(OCCASIONS), 20 + int(self._random() * 380)
        created_at = self._soon_after(ordered_at, days=10)
        signed_at = self._soon_after(created_at, days=20)
        self.contracts.append(ContractRow(
            contract_id, client_id, f"{occasion.contract} {day.year}", Contract.Status.SIGNED.value, self._price(guests),
            day.date() + timedelta(days=60), signed_at, created_at, signed_at,
        ))  # fmt: skip
        for number in range(events):
            self._celebrate(contract_id, signed_at, day + timedelta(days=number), occasion, number, guests, city)

    def _draft(self, client_id: int, contract_id: int, ordered_at: datetime) -> None:
        created_at = self._between(max(ordered_at, self.now - timedelta(days=90)), self.now)
        due = self.now + timedelta(days=20 + int(self._random() * 180))
        name = f"{self._pick(OCCASIONS).contract} {due.year}"
        amount = self._price(20 + int(self._random() * 380))
        self.contracts.append(ContractRow(
            contract_id, client_id, name, Contract.Status.DRAFT.value, amount, due.date(), None, created_at, created_at
        ))  # fmt: skip

    def _celebrate(
        self, contract_id: int, signed_at: datetime, day: datetime, occasion: Occasion, number: int, guests: int, city: str
    ) -> None:
        starts_at = datetime.combine(day, time(self._pick((9, 12, 17, 18, 19))), UTC)
        ends_at = starts_at + timedelta(hours=3 + int(self._random() * 5))
        created_at = self._soon_after(signed_at, days=5)
        status = self._status(starts_at, ends_at)
        # Far ahead there are parties that nobody has been found for yet.
        is_unassigned = status is Event.Status.CREATED and self._random() < 0.4
        self.events.append(EventRow(
            contract_id, None if is_unassigned else self._pick(self.contacts.support), occasion.events[number], status.value,
            guests // (number + 1), starts_at, ends_at, f"{self._pick(VENUES)}, {city}", self._pick(NOTES), created_at,
            self._soon_after(ends_at if status is Event.Status.CLOSED else created_at, days=2),
        ))  # fmt: skip

    def _status(self, starts_at: datetime, ends_at: datetime) -> Event.Status:
        if ends_at < self.now - timedelta(days=2):
            return Event.Status.CLOSED
        if starts_at < self.now + timedelta(days=21):
            return Event.Status.IN_PROGRESS
        return Event.Status.CREATED

    def _price(self, guests: int) -> int:
        """Euros, by the number of guests."""
        return guests * (45 + int(self._random() * 115))

    def _pick(self, choices: Sequence[T]) -> T:
        return choices[int(self._random() * len(choices))]

    def _between(self, start: datetime, end: datetime) -> datetime:
        return (start + (end - start) * self._random()).replace(microsecond=0)

    def _soon_after(self, moment: datetime, *, days: int) -> datetime:
        """Within so many days, and never in the future."""
        return self._between(moment, min(moment + timedelta(days=days), self.now))
