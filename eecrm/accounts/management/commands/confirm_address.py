from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from access.database import acting_as
from access.policy import Role
from access.security_log import security_event
from accounts.models import AddressChange, User


class Command(BaseCommand):
    help = "Confirm an account's new email address, if neither its owner nor a second manager can."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("address", help="the new address, so that no other one is confirmed by mistake")
        parser.add_argument("--enter", action="store_true", help="enter the address first, if it doesn't wait yet")

    def handle(self, *args: Any, **options: Any) -> None:
        with acting_as(Role.SUPERUSER):
            user = User.objects.filter(username=options["username"].lower()).first()
            waiting = AddressChange.objects.open().filter(user=user, address__iexact=options["address"])
            if user and options["enter"] and not waiting.exists():
                _enter(user, options["address"])
            change = waiting.first()
            if change is None or not change.confirm():
                raise CommandError(f"This address doesn't wait to be confirmed for {options['username']}.")
        security_event("user_updated", account=change.user_id, fields=["email"], by="confirm_address")
        self.stdout.write(f"Confirmed the address of {options['username']}. The one before gets a mail.")


def _enter(user: User, address: str) -> None:
    """Enters a new email address, as a manager does. It replaces the one that waits.

    The rules that limit requests spare commands on the server. Raises CommandError if it is no email address.
    """
    try:
        cleaned = User._meta.get_field("email").clean(address, user)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from None
    User.objects.filter(pk=user.pk).update(email=cleaned)
