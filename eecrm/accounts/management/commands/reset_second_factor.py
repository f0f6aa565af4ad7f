from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from access.database import acting_as
from access.policy import Role
from accounts.admin_login.reset import reset
from accounts.models import User


class Command(BaseCommand):
    help = (
        "Remove an account's second factor, e.g. after a lost phone. Its password ends too: the owner gets a link to a"
        " new one by mail, and sets up a new second factor at the next login."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        with acting_as(Role.SUPERUSER):
            try:
                user = User.objects.get_by_natural_key(options["username"])
            except User.DoesNotExist:
                raise CommandError("There is no account with this username.") from None
            had_one = reset(user)
        self.stdout.write(f"{user} has no second factor any more." if had_one else f"{user} had no second factor.")
