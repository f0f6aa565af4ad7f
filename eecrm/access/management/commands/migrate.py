from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError
from django.core.management.commands.migrate import Command as DjangoMigrate
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from access.table_rules import rule_differences


def require_migrator(command: str) -> None:
    """Raises CommandError if the PostgreSQL role of this connection may not change tables.

    The error message shows the right command line.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user, has_schema_privilege(session_user, current_schema(), 'CREATE')")
        role, may_migrate = cursor.fetchone()
    if not may_migrate:
        raise CommandError(
            f"{role} may not change tables. Run: python manage.py {command} --settings=config.migrator_settings"
        )


class Command(DjangoMigrate):
    help = DjangoMigrate.help + " Only the migrator role may run it. Runs `sync_database` when no migration is left."

    def handle(self, *args: Any, **options: Any) -> None:
        require_migrator("migrate")
        if connection.introspection.table_names() and (differences := rule_differences()):
            # The note of the tables' rules is written anew after migrations, so it would take in what differs now.
            raise CommandError(
                f"The tables differ from what migrations made in {len(differences)} places. Run sync_database first."
            )
        super().handle(*args, **options)
        if options["plan"] or options["check_unapplied"]:
            return
        executor = MigrationExecutor(connection)
        if pending := executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self.stdout.write(f"{len(pending)} migrations are left: functions and privileges wait for the last one.")
            return
        call_command("sync_database", verbosity=options["verbosity"])
