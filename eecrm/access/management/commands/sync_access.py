from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from access.grants import differences


class Command(BaseCommand):
    help = "Write the policy table into PostgreSQL's privileges. `migrate` does it by itself."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="change nothing; exit 1 where the two disagree")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        statements = differences()
        for statement in statements:
            if options["verbosity"] > 1 or options["check"]:
                self.stdout.write(statement)
        if options["check"]:
            if statements:
                raise CommandError(f"The database differs from the policy table in {len(statements)} statements.")
            self.stdout.write("The database says what the policy table says.")
            return
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        if options["verbosity"]:
            self.stdout.write(f"Privileges: {len(statements)} statements run.")
