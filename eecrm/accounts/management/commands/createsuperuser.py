from typing import Any

from django.contrib.auth.management.commands.createsuperuser import Command as DjangoCommand

from access.refusals import refusals_as_command_errors


class Command(DjangoCommand):
    """Django's command, which reports a refusal of the database as a CommandError.

    `UserManager.create_superuser` enters PostgreSQL's role of superusers only after the user has typed all input.
    """

    def handle(self, *args: Any, **options: Any) -> Any:
        with refusals_as_command_errors():
            return super().handle(*args, **options)
