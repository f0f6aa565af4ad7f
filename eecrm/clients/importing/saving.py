"""Prospects into the database: all of them or none."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db.models.functions import Lower

from access.database import acting_as, rolled_back_if
from access.policy import Role
from accounts.models import User
from clients.importing.checking import Candidate
from clients.models import Client
from csv_files import CannotImport

# A thousand rows took 1 s on two cores with a load of 12: a statement stays far below its timeout of 15 s.
MAX_CLIENTS_PER_STATEMENT = 1_000


@dataclass
class ImportOutcome:
    imported: list[Candidate] = field(default_factory=list)
    existing: list[Candidate] = field(default_factory=list)
    repeated: list[Candidate] = field(default_factory=list)


def find_sales_contact(username: str) -> int:
    """The key of this account (`access-matrix.md`, rule 7). The database asks the same of every row."""
    with acting_as(Role.MANAGEMENT):
        found = User.objects.sales_contacts().filter(username=username).values_list("pk", flat=True).first()
    if found is None:
        raise CannotImport(f"'{username}' isn't an active sales user: name one with --sales-contact.")
    return found


def save_clients(candidates: list[Candidate], *, is_dry_run: bool) -> ImportOutcome:
    """A dry run does the same work, and takes it back.

    Acts as management: that may create a client for any salesperson, and can do no more than the API lets a manager do.
    """
    outcome = ImportOutcome()
    with acting_as(Role.MANAGEMENT), rolled_back_if(is_dry_run):
        _sort(candidates, outcome)
        Client.objects.bulk_create(
            [candidate.client for candidate in outcome.imported], batch_size=MAX_CLIENTS_PER_STATEMENT
        )
    return outcome


def _sort(candidates: list[Candidate], outcome: ImportOutcome) -> None:
    stored = set(_stored(sorted({candidate.key for candidate in candidates})))
    seen: set[str] = set()
    for candidate in candidates:
        if candidate.key in stored:
            outcome.existing.append(candidate)
        elif candidate.key in seen:
            outcome.repeated.append(candidate)
        else:
            outcome.imported.append(candidate)
        seen.add(candidate.key)


def _stored(keys: list[str]) -> Iterator[str]:
    known = Client.objects.annotate(key=Lower("email")).values_list("key", flat=True)
    for start in range(0, len(keys), MAX_CLIENTS_PER_STATEMENT):
        yield from known.filter(key__in=keys[start : start + MAX_CLIENTS_PER_STATEMENT])
