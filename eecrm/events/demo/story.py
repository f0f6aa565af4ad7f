"""Generates the demo's rows: clients are created, sign contracts and hold events.

The same seed and the same time give the same rows.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from random import Random
from typing import NamedTuple, TypeVar

from clients.models import Client
from contracts.models import Contract
from events.demo.companies import Company
from events.demo.parties import NOTES, OCCASIONS, VENUES, Occasion
from events.demo.rows import ClientRow, ContractRow, EventRow
from events.models import Event

T = TypeVar("T")

CAME_IN = timedelta(days=420)  # time from the creation of the first client until now
# Shortest and longest time from the creation of a client to the client's party.
EARLIEST_PARTY, LATEST_PARTY = timedelta(days=60), timedelta(days=360)
PREPARATION = timedelta(days=60)  # time before an event's start at which its status becomes *in progress*


class Shape(NamedTuple):
    """The orders of a client: the number of events under each signed contract, and the number of draft contracts."""

    events: tuple[int, ...] = ()
    drafts: int = 0

    @property
    def contracts(self) -> int:
        return len(self.events) + self.drafts


# Each group of four clients has seven contracts and six events. The last client of the group is a prospect.
SHAPES = (Shape((2, 1)), Shape((2, 0), drafts=1), Shape((1,), drafts=1), Shape())


class ClientPlan(NamedTuple):
    """Input for the rows of one client. `came_in` is the time at which the client was created as a prospect."""

    client_id: int
    contract_ids: Sequence[int]
    company: Company
    shape: Shape
    came_in: datetime
    sales_contact_id: int
    account_id: int | None


class Party(NamedTuple):
    occasion: Occasion
    day: datetime
    guests: int
    city: str


class Story:
    """Generates and collects the rows of clients, with their contracts and events."""

    def __init__(self, support_contacts: Sequence[int], *, now: datetime, seed: int) -> None:
        self.support_contacts, self.now, self._random = support_contacts, now, Random(seed).random
        self.clients: list[ClientRow] = []
        self.contracts: list[ContractRow] = []
        self.events: list[EventRow] = []

    def add(self, plan: ClientPlan) -> None:
        shape, came_in = plan.shape, plan.came_in
        status = Client.Status.CLIENT if shape.contracts else Client.Status.PROSPECT
        ordered_at = self._soon_after(came_in, days=14) if shape.contracts else came_in
        company = plan.company
        self.clients.append(ClientRow(
            plan.client_id, status.value, company.company_name, company.first_name, company.last_name, company.email,
            company.phone, company.mobile, plan.sales_contact_id, plan.account_id, came_in, ordered_at,
        ))  # fmt: skip
        signed_ids, draft_ids = plan.contract_ids[: len(shape.events)], plan.contract_ids[len(shape.events) :]
        for contract_id, events in zip(signed_ids, shape.events, strict=True):
            day = self._between(came_in + EARLIEST_PARTY, came_in + LATEST_PARTY)
            party = Party(self._pick(OCCASIONS), day, self._guests(), company.city)
            contract = self._signed_contract(plan.client_id, contract_id, ordered_at, party)
            self.events += [self._event(contract, party, number) for number in range(events)]
        self.contracts += [self._draft_contract(plan.client_id, contract_id, ordered_at) for contract_id in draft_ids]

    def _signed_contract(self, client_id: int, contract_id: int, ordered_at: datetime, party: Party) -> ContractRow:
        created_at = self._soon_after(ordered_at, days=10)
        signed_at = self._soon_after(created_at, days=20)
        contract = ContractRow(
            contract_id, client_id, f"{party.occasion.contract} {party.day.year}", Contract.Status.SIGNED.value,
            self._price(party.guests), party.day.date() + timedelta(days=60), signed_at, created_at, signed_at,
        )  # fmt: skip
        self.contracts.append(contract)
        return contract

    def _draft_contract(self, client_id: int, contract_id: int, ordered_at: datetime) -> ContractRow:
        created_at = self._between(max(ordered_at, self.now - timedelta(days=90)), self.now)
        due = self.now + timedelta(days=20 + int(self._random() * 180))
        name = f"{self._pick(OCCASIONS).contract} {due.year}"
        return ContractRow(
            contract_id, client_id, name, Contract.Status.DRAFT.value, self._price(self._guests()), due.date(), None,
            created_at, created_at,
        )  # fmt: skip

    def _event(self, contract: ContractRow, party: Party, number: int) -> EventRow:
        day = party.day + timedelta(days=number)
        starts_at = datetime.combine(day, time(self._pick((9, 12, 17, 18, 19))), UTC)
        ends_at = starts_at + timedelta(hours=3 + int(self._random() * 5))
        status = self._status(starts_at, ends_at)
        created_at = self._soon_after(contract.updated_at, days=5)
        changed_at = self._soon_after(ends_at if status is Event.Status.CLOSED else created_at, days=2)
        return EventRow(
            contract.id, self._support_contact(status), party.occasion.events[number], status.value,
            party.guests // (number + 1), starts_at, ends_at, f"{self._pick(VENUES)}, {party.city}", self._pick(NOTES),
            created_at, changed_at,
        )  # fmt: skip

    def _status(self, starts_at: datetime, ends_at: datetime) -> Event.Status:
        if ends_at < self.now - timedelta(days=2):
            return Event.Status.CLOSED
        if starts_at < self.now + PREPARATION:
            return Event.Status.IN_PROGRESS
        return Event.Status.CREATED

    def _support_contact(self, status: Event.Status) -> int | None:
        """Returns a random support contact. Returns None for 40 % of the events with the status *created*."""
        is_unassigned = status is Event.Status.CREATED and self._random() < 0.4
        return None if is_unassigned else self._pick(self.support_contacts)

    def _guests(self) -> int:
        return 20 + int(self._random() * 380)

    def _price(self, guests: int) -> int:
        """Returns the price of a party in euros."""
        return guests * (45 + int(self._random() * 115))

    def _pick(self, choices: Sequence[T]) -> T:
        return choices[int(self._random() * len(choices))]

    def _between(self, start: datetime, end: datetime) -> datetime:
        return (start + (end - start) * self._random()).replace(microsecond=0)

    def _soon_after(self, moment: datetime, *, days: int) -> datetime:
        """Returns a random time at most `days` after `moment`, and never in the future."""
        return self._between(moment, min(moment + timedelta(days=days), self.now))
