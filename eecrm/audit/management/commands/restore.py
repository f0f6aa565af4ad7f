from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Model

from api.command_numbers import number_between
from audit.models import Entry
from audit.restore import restoration
from audit.restore.on_behalf import on_behalf_of
from audit.restore.restoration import CannotRestore

_ID = number_between(1, 2**63 - 1)


class Command(BaseCommand):
    help = "Restores a deleted row, such as a client, from the audit trail, or undoes one change of a row."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("noun", nargs="?", default="", metavar="NOUN", help=", ".join(restoration.restorable()))
        parser.add_argument("key", nargs="?", type=_ID, metavar="NUMBER", help="the row's id")
        parser.add_argument("--undo", type=_ID, metavar="ENTRY", help="id of the trail entry whose change is undone")
        parser.add_argument("--reason", required=True, help="reason that the trail records")
        parser.add_argument("--as", default="", metavar="USERNAME", help="manager whom the trail names as the actor")
        parser.add_argument(
            "--dry-run", action="store_true", help="check that it is possible and print the result, but change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        noun, key, undone = options["noun"], options["key"], options["undo"]
        if bool(noun and key) == bool(undone) or bool(noun) != bool(key):
            raise CommandError(
                "Name what was deleted (restore client 7), or the entry of a change (restore --undo 812)."
            )
        try:
            cells = [(resource, "restore") for resource in restoration.restorable()]
            with on_behalf_of(options["as"], options["reason"], *cells, is_dry_run=options["dry_run"]):
                line = self._undo(undone) if undone else self._restore(noun, key)
        except CannotRestore as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"Nothing is changed yet. {line}" if options["dry_run"] else line)

    def _restore(self, noun: str, key: int) -> str:
        restoration.model_of_noun(noun)
        entry = restoration.last_deletion(noun, key)
        row = restoration.restore(entry)
        return f"Restored: {noun} {row.pk}, {row}, as it was deleted on {entry.at:%d %B %Y at %H:%M} UTC."

    def _undo(self, key: int) -> str:
        entry = Entry.objects.filter(pk=key).first()
        if entry is None:
            raise CannotRestore(f"The trail has no entry {key}.")
        steps = restoration.reversal(entry)
        row: Model = restoration.undo(entry)
        changes = [f"{step.field.verbose_name}: {step.now_in_words} → {step.then_in_words}" for step in steps]
        put_back = ", ".join(changes)
        return f"Undone: {restoration.noun_of(entry)} {row.pk}, {row}. {put_back}."
