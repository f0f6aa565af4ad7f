from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError
from django.core.management.commands.migrate import Command as DjangoMigrate
from django.db import connection, transaction
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
        only_looks = options["plan"] or options["check_unapplied"]
        if not only_looks and "django_migrations" in connection.introspection.table_names():
            self._put_tables_right()
        super().handle(*args, **options)
        if only_looks:
            return
        executor = MigrationExecutor(connection)
        if pending := executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self.stdout.write(f"{len(pending)} migrations are left: functions and privileges wait for the last one.")
            return
        call_command("sync_database", verbosity=options["verbosity"])

    @transaction.atomic
    def _put_tables_right(self) -> None:
        """Makes the rules of tables again as earlier migrations made them.

        After migrations the rules are noted anew. The note would take in what was changed by hand.
        """
        with connection.cursor() as cursor:
            for statement in rule_differences():
                self.stdout.write(statement)
                cursor.execute(statement)
