"""What became of a file, for the person who imported it."""

from collections.abc import Iterator

from django.template.defaultfilters import pluralize

from clients.importing.checking import Candidate
from clients.importing.saving import Outcome

MOST_PROBLEMS = 50
MOST_EXAMPLES = 5


def failure(problems: list[str]) -> str:
    shown = problems[:MOST_PROBLEMS]
    more = len(problems) - len(shown)
    end = [f"and {counted(more, 'more problem')}."] if more else []
    return "\n".join([f"Nothing was imported, because of {counted(len(problems), 'problem')}:", *shown, *end])


def summary(outcome: Outcome, sales_contact: str, *, is_dry_run: bool) -> Iterator[str]:
    imported = outcome.imported
    verb = "would be imported" if is_dry_run else "imported"
    yield f"{counted(len(imported), 'prospect')} {verb} for {sales_contact}."
    yield from _with_examples("left alone, because the client exists already", outcome.existing)
    yield from _with_examples("left alone, because a row above has the same email address", outcome.repeated)
    left_out = [sentence for candidate in imported for sentence in candidate.left_out]
    if left_out:
        yield f"{counted(len(left_out), 'phone number')} left out:"
        yield from _examples(left_out)
    extensions = sum(candidate.extensions for candidate in imported)
    if extensions:
        yield f"{counted(extensions, 'phone extension')} dropped: numbers are stored without."
    if is_dry_run:
        yield "This was a dry run: nothing was changed."


def _with_examples(what: str, candidates: list[Candidate]) -> Iterator[str]:
    if candidates:
        yield f"{counted(len(candidates), 'row')} {what}:"
        yield from _examples([f"line {candidate.line}: {candidate.client.email}" for candidate in candidates])


def _examples(sentences: list[str]) -> Iterator[str]:
    yield from (f"  {sentence}" for sentence in sentences[:MOST_EXAMPLES])
    if len(sentences) > MOST_EXAMPLES:
        yield f"  … and {len(sentences) - MOST_EXAMPLES:,} more."


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{pluralize(number)}"
