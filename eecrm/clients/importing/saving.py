"""Saves imported prospects: all of them or none."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db.models.functions import Lower

from access.database import acting_as, rolled_back_if
from access.policy import Role
from accounts.models import User
from clients.importing.checking import Candidate
from clients.models import Client
from csv_files import CannotImport

# An insert of 1,000 rows took 1 s on two busy processors (load average of 12). The statement timeout is 15 s.
MAX_CLIENTS_PER_STATEMENT = 1_000


@dataclass
class ImportOutcome:
    imported: list[Candidate] = field(default_factory=list)
    existing: list[Candidate] = field(default_factory=list)
    repeated: list[Candidate] = field(default_factory=list)


def find_sales_contact(username: str) -> int:
    """Returns the primary key of the active sales user `username` (`access-matrix.md`, rule 7).

    Raises CannotImport if no active sales user has this username. The database checks the sales contact again for
    every row.
    """
    with acting_as(Role.MANAGEMENT):
        key = User.objects.sales_contacts().filter(username=username).values_list("pk", flat=True).first()
    if key is None:
        raise CannotImport(f"'{username}' isn't an active sales user: name one with --sales-contact.")
    return key


def save_clients(candidates: list[Candidate], *, is_dry_run: bool) -> ImportOutcome:
    """Saves the candidates that aren't clients yet. A dry run saves them, too, and rolls the transaction back.

    Runs in the PostgreSQL role of management, because managers may create clients for any sales user. So the command
    can't do more than a manager can do in the API.
    """
    outcome = ImportOutcome()
    with acting_as(Role.MANAGEMENT), rolled_back_if(is_dry_run):
        _sort_candidates(candidates, outcome)
        Client.objects.bulk_create(
            [candidate.client for candidate in outcome.imported], batch_size=MAX_CLIENTS_PER_STATEMENT
        )
    return outcome


def _sort_candidates(candidates: list[Candidate], outcome: ImportOutcome) -> None:
    stored = set(_existing_keys(sorted({candidate.key for candidate in candidates})))
    seen: set[str] = set()
    for candidate in candidates:
        if candidate.key in stored:
            outcome.existing.append(candidate)
        elif candidate.key in seen:
            outcome.repeated.append(candidate)
        else:
            outcome.imported.append(candidate)
        seen.add(candidate.key)


def _existing_keys(keys: list[str]) -> Iterator[str]:
    all_keys = Client.objects.annotate(key=Lower("email")).values_list("key", flat=True)
    for start in range(0, len(keys), MAX_CLIENTS_PER_STATEMENT):
        yield from all_keys.filter(key__in=keys[start : start + MAX_CLIENTS_PER_STATEMENT])
