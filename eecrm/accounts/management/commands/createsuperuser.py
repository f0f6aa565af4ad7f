from typing import Any

from django.contrib.auth.management.commands.createsuperuser import Command as DjangoCommand

from access.refusals import refusals_as_command_errors


class Command(DjangoCommand):
    """Django's command. `UserManager.create_superuser` enters the superuser's role, once all input is there."""

    def handle(self, *args: Any, **options: Any) -> Any:
        with refusals_as_command_errors():
            return super().handle(*args, **options)
