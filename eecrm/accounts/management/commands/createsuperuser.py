from typing import Any

from django.contrib.auth.management.commands.createsuperuser import Command as DjangoCommand

from access.database import acting_as
from access.policy import Role


class Command(DjangoCommand):
    """Django's command, run with the rights of a superuser. Every user of the server's shell has these rights."""

    def handle(self, *args: Any, **options: Any) -> Any:
        with acting_as(Role.SUPERUSER):
            return super().handle(*args, **options)
