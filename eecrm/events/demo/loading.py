"""The demo company into the database, with the rights of the superuser's database role: rows may come in in any state."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import Model
from django.db.models.functions import Lower
from django.utils import timezone

from access.database import acting_as
from access.policy import Role
from clients.models import Client
from contracts.models import Contract
from events.demo.accounts import Contacts, find_contacts, make_missing_accounts
from events.demo.companies import BY_HAND, company
from events.demo.copying import copy_rows
from events.demo.story import CAME_IN, SHAPES, Story
from events.models import Event

CLIENTS_PER_TRANSACTION = 5_000


class Loaded(NamedTuple):
    clients: int = 0
    contracts: int = 0
    events: int = 0


def load_company() -> tuple[int, Loaded]:
    """The sample accounts that are missing, and the forty clients made by hand unless one of them is there (or left)."""
    with acting_as(Role.SUPERUSER):
        accounts = make_missing_accounts()
        made_by_hand = [company(number).email for number in range(BY_HAND)]
        if Client.objects.annotate(key=Lower("email")).filter(key__in=made_by_hand).exists():
            return accounts, Loaded()
        story = _tell(find_contacts(), list(range(BY_HAND)), _reserve(Client, BY_HAND))
        Client.objects.bulk_create(Client(**row._asdict()) for row in story.clients)
        Contract.objects.bulk_create(Contract(**row._asdict()) for row in story.contracts)
        Event.objects.bulk_create(Event(**row._asdict()) for row in story.events)
        return accounts, _count(story)
