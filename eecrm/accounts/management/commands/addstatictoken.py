from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Refused. Recovery codes are made on the page of the second factor, and only their digests are stored."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", nargs="?")
        parser.add_argument("-t", "--token")

    def handle(self, *args: Any, **options: Any) -> None:
        """Refuses django_otp's command, which would store a code in clear and leave no security event."""
        raise CommandError("Recovery codes are made by the account's owner. After a loss: reset_second_factor.")
