"""Whoever can write the tables of the trail can also seal a forged one anew, or drop the newest seals with their entries:
nothing inside the database tells. What tells is a seal that was noted outside (`--last`, or the log line `trail_sealed` of
each) and is asked for with `--expect`."""

import re
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from access.database import acting_as
from access.policy import Role
from audit.trail import seals, verification
from csv_files.words import counted


def _noted(text: str) -> tuple[int, str]:
    parts = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", text.strip().lower())
    if parts is None:
        raise ArgumentTypeError("a seal is noted as ID:HASH, which is how --last prints it.")
    return int(parts[1]), parts[2]


class Command(BaseCommand):
    help = (
        "Tell whether any sealed entry of the trail was changed, removed or put in: exits with 1 if so. A trail that was"
        " sealed anew as a whole, or cut off at its end, only shows by a seal noted elsewhere: --last and --expect."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        only = parser.add_mutually_exclusive_group()
        only.add_argument("--last", action="store_true", help="print the last seal as ID:HASH, check nothing")
        only.add_argument(
            "--expect", type=_noted, metavar="ID:HASH", help="a seal noted earlier, which must still be there"
        )

        parser.add_argument(
            "--max-unsealed-age",
            type=float,
            metavar="SECONDS",
            help="fail too where an entry waits longer for its seal",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with acting_as(Role.AUDITOR):
            if options["last"]:
                self._print_last()
                return
            # None: a bar where somebody watches.
            is_quiet = True if options["verbosity"] == 0 else None
            with tqdm(
                total=verification.sealed_entries(),
                desc="Verifying",
                unit=" entries",
                unit_scale=True,
                disable=is_quiet,
            ) as bar:
                outcome = verification.verify(expected=options["expect"], advance=bar.update)
        self._report(outcome)
        self._refuse_late(options["max_unsealed_age"])

    def _print_last(self) -> None:
        seal = verification.last_seal()
        if seal is None:
            raise CommandError("Nothing is sealed yet.")
        self.stdout.write(f"{seal.id}:{seal.hash}")

    def _report(self, outcome: verification.Verification) -> None:
        for problem in outcome.problems:
            self.stdout.write(problem)
        number = counted(outcome.unsealed, "entry", "entries")
        self.stdout.write(f"Not sealed yet: {number}.")
        covered = f"{counted(outcome.seals, 'seal')} of {counted(outcome.entries, 'entry', 'entries')}"
        if outcome.problems:
            raise CommandError(
                f"The trail is not what it was: {counted(len(outcome.problems), 'problem')} in {covered}."
            )
        self.stdout.write(f"The trail holds: {covered}.")

    @staticmethod
    def _refuse_late(most: float | None) -> None:
        found = seals.oldest_unsealed() if most is not None else None
        if found and most is not None and found.seconds > most:
            raise CommandError(f"{found} At most {most:g} s were asked for.")
