from typing import Any

from cryptography.fernet import InvalidToken
from django.core.management.base import BaseCommand, CommandError

from access.database import acting_as_login_role
from accounts.admin_login import seeds
from accounts.models import AuthenticatorApp


class Command(BaseCommand):
    help = "Encrypt the seeds of all second factors with SECOND_FACTOR_KEY. Run it before you remove an old key."

    def handle(self, *args: Any, **options: Any) -> None:
        with acting_as_login_role():
            apps = list(AuthenticatorApp.objects.select_for_update().select_related("user").order_by("pk"))
            unread = [app.user.username for app in apps if not _encrypt(app)]
        self.stdout.write(f"Encrypted with SECOND_FACTOR_KEY: {len(apps) - len(unread)}.")
        if unread:
            raise CommandError(f"No key of ours reads the seeds of: {', '.join(unread)}. Reset their second factors.")


def _encrypt(app: AuthenticatorApp) -> bool:
    try:
        app.key = seeds.seal_again(app.key)
    except InvalidToken:
        return False
    app.save(update_fields=["key"])
    return True
