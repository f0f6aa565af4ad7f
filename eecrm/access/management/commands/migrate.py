from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError
from django.core.management.commands.migrate import Command as DjangoMigrate
from django.db import connection


class Command(DjangoMigrate):
    help = DjangoMigrate.help + " Refused to any role but the migrator; writes the privileges of the policy afterwards."

    def handle(self, *args: Any, **options: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT session_user, has_schema_privilege(session_user, current_schema(), 'CREATE')")
            role, may_migrate = cursor.fetchone()
        if not may_migrate:
            raise CommandError(
                f"{role} may not change tables. Run: python manage.py migrate --settings=config.migrator_settings"
            )
        super().handle(*args, **options)
        if not (options["plan"] or options["check_unapplied"] or options["app_label"]):
            call_command("sync_access", verbosity=options["verbosity"])
