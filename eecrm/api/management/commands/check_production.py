from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Tell all that keeps this configuration from production, a line each: exits with 1 if there is anything."
    requires_system_checks: list[str] = []  # they are what it does

    def handle(self, *args: Any, **options: Any) -> None:
        """The settings were read before this as production reads them, and have refused what is wrong (`config.environment`)."""
        call_command("check", deploy=True, fail_level="WARNING", stdout=self.stderr)
        self.stdout.write("The configuration is fit for production.")
