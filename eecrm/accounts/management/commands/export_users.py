from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from access.database import acting_as
from access.policy import Role
from access.security_log import security_event
from accounts.importing.columns import ROLES
from accounts.importing.export import accounts_csv, exported
from accounts.models import User
from csv_files.words import counted
from csv_files.writing import BYTE_ORDER_MARK, CannotExport, write_privately


class Command(BaseCommand):
    help = (
        "Export accounts without passwords to a CSV file for import_users. Only the file's owner can read it."
        " Superusers are left out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="path of the file, or - for the standard output")
        parser.add_argument("--role", choices=list(ROLES))
        parser.add_argument("--active", action="store_true", help="leave out accounts that are not active")
        parser.add_argument("--force", action="store_true", help="replace the file if it exists")

    def handle(self, *args: Any, **options: Any) -> None:
        with acting_as(Role.SUPERUSER):
            rows = exported(User.objects.all())
            rows = rows.filter(role=options["role"]) if options["role"] else rows
            rows = rows.active() if options["active"] else rows
            text, count = accounts_csv(rows, is_quiet=options["verbosity"] == 0)
        if options["file"] == "-":
            self.stdout.write(text, ending="")
        else:
            self._write(Path(options["file"]), text, replaces=options["force"])
            self.stdout.write(f"{counted(count, 'account')} exported to {options['file']}.")
        security_event("sensitive_read", what="accounts exported", count=count)

    def _write(self, path: Path, text: str, *, replaces: bool) -> None:
        try:
            write_privately(path, (BYTE_ORDER_MARK + text).encode(), replaces=replaces)
        except CannotExport as error:
            raise CommandError(str(error)) from None
