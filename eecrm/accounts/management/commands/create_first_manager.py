import logging
import sys
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from access.database import acting_as
from access.policy import Role
from access.security_log import security_event
from accounts.models import User
from accounts.passwords import links


class Command(BaseCommand):
    help = "Create the first manager, who creates all other accounts in the admin site. Refused if there is one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--username", required=True)
        parser.add_argument("--email", required=True)
        parser.add_argument("--first-name", default="")
        parser.add_argument("--last-name", default="")
        parser.add_argument(
            "--password-stdin",
            action="store_true",
            help="read the password from standard input; without it, a link to choose one is printed",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        names = ("username", "email", "first_name", "last_name")
        manager = User(role=Role.MANAGEMENT, **{name: options[name] for name in names})
        password = _read_password() if options["password_stdin"] else None
        with acting_as(Role.SUPERUSER):
            _refuse_second()
            _validate(manager, password)
            manager.set_password(password)
            manager.save()
        security_event("user_created", level=logging.INFO, account=manager.pk, role=manager.role)
        self.stdout.write(f"{manager.username} is a manager.")
        if password is None:
            security_event("authn_link_printed", level=logging.INFO, account=manager.pk)
            self.stdout.write(f"To choose a password, once, within 7 days:\n{links.INVITATION.url(manager)}")


def _read_password() -> str:
    """Returns the first line of standard input as the password. Spaces at its edges belong to the password."""
    password = sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    if not password:
        raise CommandError("--password-stdin: nothing came in; send the password on one line.")
    return password


def _refuse_second() -> None:
    with connection.cursor() as cursor:
        # Without the lock two commands at the same moment could both make a manager.
        cursor.execute("LOCK TABLE accounts_user IN SHARE ROW EXCLUSIVE MODE")
    if User.objects.active().filter(role=Role.MANAGEMENT, is_superuser=False).exists():
        raise CommandError("There is an active manager already, who makes other accounts in the admin site.")


def _validate(manager: User, password: str | None) -> None:
    """Raises CommandError if a value is invalid. The message has a line for each wrong option: its name and errors."""
    errors: dict[str, list[str]] = {}
    try:
        if not manager.email:
            raise ValidationError({"email": "This field cannot be blank."})
        manager.full_clean(exclude=["password"])
    except ValidationError as error:
        errors |= error.message_dict
    try:
        if password is not None:
            validate_password(password, manager)
    except ValidationError as error:
        errors["password_stdin"] = error.messages
    if errors:
        lines = (f"--{name.replace('_', '-')}: {' '.join(sentences)}" for name, sentences in errors.items())
        raise CommandError("\n".join(lines))
