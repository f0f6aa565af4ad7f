from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "List each fault that makes this configuration unfit for production; exit with 1 if there is any."
    requires_system_checks: list[str] = []  # `handle` runs them itself

    def handle(self, *args: Any, **options: Any) -> None:
        """Runs Django's deployment checks.

        If a setting is wrong, `config.environment` has already stopped the process before this method runs.
        """
        call_command("check", deploy=True, fail_level="WARNING", stdout=self.stderr)
        self.stdout.write("The configuration is fit for production.")
