"""Report of a client import, for the user who ran it."""

from collections.abc import Iterator

from clients.importing.checking import Candidate
from clients.importing.saving import ImportOutcome
from csv_files.words import counted, examples


def client_import_summary(outcome: ImportOutcome, sales_contact: str, *, is_dry_run: bool) -> Iterator[str]:
    imported = outcome.imported
    verb = "would be imported" if is_dry_run else "imported"
    yield f"{counted(len(imported), 'prospect')} {verb} for {sales_contact}."
    yield from _with_examples("left alone, because the client exists already", outcome.existing)
    yield from _with_examples("left alone, because a row above has the same email address", outcome.repeated)
    left_out = [sentence for candidate in imported for sentence in candidate.left_out]
    if left_out:
        yield f"{counted(len(left_out), 'phone number')} left out:"
        yield from examples(left_out)
    extensions = sum(candidate.extensions for candidate in imported)
    if extensions:
        yield f"{counted(extensions, 'phone extension')} dropped: numbers are stored without."
    if is_dry_run:
        yield "This was a dry run: nothing was changed."


def _with_examples(outcome: str, candidates: list[Candidate]) -> Iterator[str]:
    if candidates:
        yield f"{counted(len(candidates), 'row')} {outcome}:"
        yield from examples([f"line {candidate.line}: {candidate.client.email}" for candidate in candidates])
