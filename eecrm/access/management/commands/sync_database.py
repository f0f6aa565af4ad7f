from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from access import group_sync, logins, sql_functions, surroundings
from access.grants import privilege_differences, stamp
from access.management.commands.migrate import require_migrator

_MAX_TURNS = 3  # the second turn suffices


class Command(BaseCommand):
    help = (
        "Make the database match the code: functions and triggers from the files in sql/, privileges and row security "
        "from the policy table, permissions and groups in Django's tables. `migrate` runs it at its end."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check",
            "--dry-run",
            action="store_true",
            help="change nothing; print each difference, and exit with 1 if there is any",
        )

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        if not options["check"]:
            require_migrator("sync_database")
        functions, groups = sql_functions.function_differences(), group_sync.group_changes()
        if not options["check"]:
            sql_functions.install(functions)
        statements = privilege_differences()
        bootstrap_faults = self._bootstrap_faults()
        changed = [f"function {name}: {'written' if text else 'dropped'}" for name, text in sorted(functions.items())]
        level = 2 if options["check"] else options["verbosity"]
        self._write([*changed, *statements] if level > 1 else [])
        self._write([change.sentence for change in groups] if level else [])
        if options["check"]:
            if count := len(functions) + len(statements) + len(groups):
                raise CommandError(f"The database differs from the code in {count} places.")
            if bootstrap_faults:
                raise CommandError(f"Roles and database differ from bootstrap.sql in {bootstrap_faults} places.")
            self.stdout.write("The database says what the code says.")
            return
        self._run(statements)
        for change in groups:
            change.make()
        if level:
            self.stdout.write(f"Functions: {len(functions)} written. Privileges: {len(statements)} statements run.")

    def _run(self, statements: list[str]) -> None:
        """Runs the statements, and those that are left then: a REVOKE on a table also takes grants on its columns."""
        for _ in range(_MAX_TURNS):
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
            stamp()
            if not (statements := privilege_differences()):
                return
        raise CommandError(f"The database still differs from the code, for example: {statements[0]}")

    def _write(self, lines: list[str]) -> None:
        for line in lines:
            self.stdout.write(line)

    def _bootstrap_faults(self) -> int:
        """Writes each difference from bootstrap.sql to stderr. Returns the number of differences."""
        with connection.cursor() as cursor:
            found = [*logins.faults(cursor), *surroundings.faults(cursor)]
        for fault in found:
            self.stderr.write(f"{fault}. Run deploy/postgres/bootstrap.sql again.")
        return len(found)
