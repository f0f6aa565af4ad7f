import getpass
from typing import Any

from django.contrib.auth.management.commands.changepassword import Command as DjangoCommand
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from access.database import acting_as
from access.policy import Role
from access.refusals import refusals_as_command_errors
from access.security_log import security_event
from accounts.models import User

MAX_TRIES = 3


class Command(DjangoCommand):
    """Django's command, run with a superuser's rights.

    This gives nobody more rights, because every user with a shell on the server has these rights anyway.

    No transaction is open while the command waits for input. PostgreSQL would end an idle transaction
    (`idle_in_transaction_session_timeout`).
    """

    def handle(self, *args: Any, **options: Any) -> str:
        user = _account_named(options["username"] or getpass.getuser())
        self.stdout.write(f"Changing password for user '{user}'")
        user.set_password(self._ask(user))
        with refusals_as_command_errors(), acting_as(Role.SUPERUSER):
            user.save(update_fields=["password"])  # leaves other columns alone, because they may have changed meanwhile
        security_event("authn_password_change", account=user.pk, by="changepassword")
        return f"Password changed successfully for user '{user}'"

    def _ask(self, user: User) -> str:
        for _ in range(MAX_TRIES):
            password = _prompt("Password: ")
            if password != _prompt("Password (again): "):
                self.stdout.write("Passwords do not match. Please try again.")
                continue
            try:
                validate_password(password, user)
            except ValidationError as error:
                self.stderr.write("\n".join(error.messages))
            else:
                return password
        raise CommandError(f"Aborting password change for user '{user}' after {MAX_TRIES} attempts")


def _account_named(username: str) -> User:
    with acting_as(Role.SUPERUSER):
        try:
            return User.objects.get_by_natural_key(username)
        except User.DoesNotExist:
            raise CommandError(f"There is no account {username}.") from None


def _prompt(text: str) -> str:
    password = getpass.getpass(prompt=text)
    if not password:
        raise CommandError("Nothing was typed: the password stays as it was.")
    return password
