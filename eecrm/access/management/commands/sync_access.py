from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from access import group_sync
from access.grants import differences, stamp
from access.logins import faults


class Command(BaseCommand):
    help = "Write the policy table into PostgreSQL's privileges, and its groups into Django's. `migrate` does it by itself."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check",
            "--dry-run",
            action="store_true",
            help="change nothing; tell what would be, and exit 1 where it is",
        )

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        statements, changes = differences(), group_sync.group_changes()
        with connection.cursor() as cursor:
            wrong = faults(cursor)
        for fault in wrong:
            self.stderr.write(f"{fault}. Run deploy/postgres/bootstrap.sql again.")
        level = 2 if options["check"] else options["verbosity"]
        for line in (*(statements if level > 1 else ()), *(change.sentence for change in changes if level)):
            self.stdout.write(line)
        if options["check"]:
            if statements or changes:
                count = len(statements) + len(changes)
                raise CommandError(f"The database differs from the policy table in {count} statements.")
            if wrong:
                raise CommandError(f"The roles of the database differ from bootstrap.sql in {len(wrong)} places.")
            self.stdout.write("The database says what the policy table says.")
            return
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        stamp()
        for change in changes:
            change.make()
        if options["verbosity"]:
            self.stdout.write(f"Privileges: {len(statements)} statements run.")
