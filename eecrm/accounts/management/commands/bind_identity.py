from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from access.database import acting_as
from access.policy import Role
from access.security_log import security_event
from accounts.models import ExternalIdentity, User


class Command(BaseCommand):
    help = "Bind an account to its identity at the provider (OIDC_ISSUER), even if in use. Its password stops working."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("subject", help="what the provider calls the account: the claim `sub` of its tokens")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.OIDC_ISSUER:
            raise CommandError("There is no identity provider: set OIDC_ISSUER.")
        with acting_as(Role.SUPERUSER):
            try:
                user = User.objects.get_by_natural_key(options["username"])
                identity = ExternalIdentity(user=user, issuer=settings.OIDC_ISSUER, subject=options["subject"])
                identity.full_clean()
            except User.DoesNotExist:
                raise CommandError(f"There is no account {options['username']}.") from None
            except ValidationError as error:
                raise CommandError(" ".join(error.messages)) from None
            identity.save()
        security_event("user_updated", account=user.pk, fields=["identity"], by="bind_identity")
        self.stdout.write(f"{user.username} logs in with the provider from now on, and gets a mail about it.")
