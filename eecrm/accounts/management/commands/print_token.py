from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from access.database import acting_as_login_role
from access.security_log import security_event
from accounts.login import tokens
from accounts.models import User, normalise_username
from config.environment import IS_PRODUCTION


class Command(BaseCommand):
    help = "Print an access token of an account, valid for ten minutes, to try requests. Refused in production."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        if IS_PRODUCTION:
            raise CommandError("APP_ENV is production: tokens of other people's accounts are printed on a laptop only.")
        with acting_as_login_role():
            user = User.objects.defer(None).filter(username=normalise_username(options["username"])).first()
        if user is None or not user.is_active:
            raise CommandError(f"There is no active account {options['username']}.")
        pair = tokens.log_in(user, user_agent="manage.py print_token", address="127.0.0.1")
        security_event("authn_token_created", account=user.pk, by="print_token")
        self.stdout.write(pair.access)
