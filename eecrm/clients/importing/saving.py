"""Prospects into the database: all of them or none."""

from contextlib import suppress
from dataclasses import dataclass, field

from django.db.models.functions import Lower

from access.database import acting_as
from access.policy import Role
from accounts.models import User
from api.tables import CannotImport
from clients.importing.checking import Candidate
from clients.models import Client

ROWS_PER_STATEMENT = 2_000


class _DryRun(Exception):
    """Rolls the work back."""


@dataclass
class Outcome:
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


def save(candidates: list[Candidate], *, is_dry_run: bool) -> Outcome:
    """A dry run does the same work, and takes it back.

    Acts as management: that may create a client for any salesperson, and can do no more than the API lets a manager do.
    """
    outcome = Outcome()
    with suppress(_DryRun), acting_as(Role.MANAGEMENT):
        _sort(candidates, outcome)
        Client.objects.bulk_create([candidate.client for candidate in outcome.imported], batch_size=ROWS_PER_STATEMENT)
        if is_dry_run:
            raise _DryRun
    return outcome


def _sort(candidates: list[Candidate], outcome: Outcome) -> None:
    keys = {candidate.key for candidate in candidates}
    stored = set(Client.objects.annotate(key=Lower("email")).filter(key__in=keys).values_list("key", flat=True))
    seen: set[str] = set()
    for candidate in candidates:
        if candidate.key in stored:
            outcome.existing.append(candidate)
        elif candidate.key in seen:
            outcome.repeated.append(candidate)
        else:
            outcome.imported.append(candidate)
        seen.add(candidate.key)
