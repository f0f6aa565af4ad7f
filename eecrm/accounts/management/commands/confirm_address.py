from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from access.database import acting_as
from access.policy import Role
from access.security_log import security_event
from accounts.models import AddressChange


class Command(BaseCommand):
    help = "Confirm an account's new email address, if neither its owner nor a second manager can."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("address", help="the new address, so that no other one is confirmed by mistake")

    def handle(self, *args: Any, **options: Any) -> None:
        with acting_as(Role.SUPERUSER):
            waiting = AddressChange.objects.open().filter(
                user__username=options["username"].lower(), address__iexact=options["address"]
            )
            change = waiting.first()
            if change is None or not change.confirm():
                raise CommandError(f"This address doesn't wait to be confirmed for {options['username']}.")
        security_event("user_updated", account=change.user_id, fields=["email"], by="confirm_address")
        self.stdout.write(f"Confirmed the address of {options['username']}. The one before gets a mail.")
