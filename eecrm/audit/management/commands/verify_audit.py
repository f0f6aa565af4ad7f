"""Command that verifies the seals of the audit trail.

An attacker who can write the trail's tables can also seal a forged trail again.
The same attacker can drop the newest seals with their entries. Nothing inside the database shows either of these.
Only a seal that was noted outside shows it, when it is passed as `--expect`.
`--last` prints a seal to note, and every new seal has a log line `trail_sealed`.
"""

import re
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from access.database import acting_as
from access.policy import Role
from audit.trail import seals, verification
from csv_files.words import counted


def _parse_seal(text: str) -> tuple[int, str]:
    parts = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", text.strip().lower())
    if parts is None:
        raise ArgumentTypeError("a seal is noted as ID:HASH, which is how --last prints it.")
    return int(parts[1]), parts[2]


class Command(BaseCommand):
    help = (
        "Tell whether any sealed entry of the trail was changed, removed or put in: exits with 1 if so. A trail that"
        " was sealed anew as a whole, or cut off at its end, only shows by a seal noted elsewhere: --last and --expect."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        exclusive = parser.add_mutually_exclusive_group()
        exclusive.add_argument("--last", action="store_true", help="print the last seal as ID:HASH, check nothing")
        exclusive.add_argument(
            "--expect", type=_parse_seal, metavar="ID:HASH", help="a seal noted earlier, which must still be there"
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
            # With None, tqdm shows its bar only on a terminal.
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
    def _refuse_late(max_seconds: float | None) -> None:
        oldest = seals.oldest_unsealed() if max_seconds is not None else None
        if oldest and max_seconds is not None and oldest.seconds > max_seconds:
            raise CommandError(f"{oldest} At most {max_seconds:g} s were asked for.")
