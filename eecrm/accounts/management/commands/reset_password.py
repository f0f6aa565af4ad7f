import logging
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from access.database import acting_as, as_login_role
from access.policy import Role
from access.security_log import security_event
from accounts.models import Mail, User
from accounts.outbox.mails import reason_against
from accounts.passwords import links


class Command(BaseCommand):
    help = "Mail an account's owner a link to choose a new password. Nobody else learns the password."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--print-link", action="store_true", help="print the link here instead of sending it")
        parser.add_argument(
            "--now", action="store_true", help="also end the present password and all logins immediately"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with acting_as(Role.SUPERUSER):
            user = _account_named(options["username"])
            with as_login_role():
                user.refresh_from_db(fields=["password"])
                reason = reason_against(Mail.Kind.PASSWORD_RESET, user)
            if not user.email_confirmed_at and not options["print_link"]:
                reason = reason or "The account has no confirmed email address: --print-link needs none."
            if reason:
                raise CommandError(f"{user.username} gets no link. {reason}")
            if options["now"]:
                user.set_unusable_password()
                user.save(update_fields=["password"])
            if not options["print_link"]:
                Mail.objects.create(kind=Mail.Kind.PASSWORD_RESET, user=user)
        if options["now"]:
            security_event("authn_password_change", account=user.pk, by="reset_password --now")
            self.stdout.write(f"The password of {user.username} works no more, and every login has ended.")
        if options["print_link"]:
            security_event("authn_link_printed", level=logging.INFO, account=user.pk)
            self.stdout.write(f"For {user.username} alone, once, within an hour:\n{links.PASSWORD_RESET.url(user)}")
            return
        links.link_queued(user.pk, Mail.Kind.PASSWORD_RESET)
        self.stdout.write(f"A mail to {user.username} is queued; the worker sends it.")


def _account_named(username: str) -> User:
    try:
        return User.objects.get_by_natural_key(username)
    except User.DoesNotExist:
        raise CommandError(f"There is no account {username}.") from None
