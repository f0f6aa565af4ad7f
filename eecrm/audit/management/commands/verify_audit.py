"""Command that verifies the seals of the audit trail.

An attacker who can write the trail's tables can forge entries and then make new seals for all of them.
Such an attacker can also delete the newest entries with their seals. Nothing in the database reveals either attack.
Only a seal that was noted outside the database reveals the attack: pass this seal as `--expect`.
`--last` prints the newest seal to note. Each new seal is also in the log, as `trail_sealed`.
"""

import re
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from access.database import acting_as
from access.policy import Role
from api.command_numbers import number_between
from audit.trail import seals, verification
from csv_files.words import counted

MAX_AGE_SECONDS = 365 * 86_400.0


def _parse_seal(text: str) -> tuple[int, str]:
    parts = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", text.strip().lower())
    if parts is None:
        raise ArgumentTypeError("a seal is noted as ID:HASH, which is how --last prints it.")
    return int(parts[1]), parts[2]


class Command(BaseCommand):
    help = (
        "Checks the audit trail: exits with 1 if a sealed entry was changed or removed, or if one was inserted later."
        " If somebody sealed the whole trail again, or removed its end, only --expect with an earlier --last shows it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        exclusive = parser.add_mutually_exclusive_group()
        exclusive.add_argument("--last", action="store_true", help="print the newest seal as ID:HASH, check nothing")
        exclusive.add_argument(
            "--expect", type=_parse_seal, metavar="ID:HASH", help="fail if this seal, noted earlier, is missing"
        )
        parser.add_argument(
            "--max-unsealed-age",
            type=number_between(0.0, MAX_AGE_SECONDS),
            metavar="SECONDS",
            help="also fail if an entry has been without a seal for longer",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with acting_as(Role.AUDITOR):
            if options["last"]:
                self._print_last()
                return
            # If `disable` is None, tqdm shows its progress bar only on a terminal.
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
