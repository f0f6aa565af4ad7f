from typing import Any

from cryptography.fernet import InvalidToken
from django.core.management.base import BaseCommand, CommandError

from access.database import acting_as_login_role
from access.security_log import security_event
from accounts.admin_login import seeds
from accounts.models import AuthenticatorApp


class Command(BaseCommand):
    help = "Encrypt the seeds of all second factors with SECOND_FACTOR_KEY. Run it before you remove an old key."

    def handle(self, *args: Any, **options: Any) -> None:
        with acting_as_login_role():
            apps = list(AuthenticatorApp.objects.select_for_update().select_related("user").order_by("pk"))
            unread = [app.user for app in apps if not _encrypt(app)]
        for user in unread:
            security_event("crypt_decrypt_fail", account=user.pk, factor="totp")
        security_event("user_updated", count=len(apps) - len(unread), fields=["seed"], by="encrypt_second_factors")
        self.stdout.write(f"Encrypted with SECOND_FACTOR_KEY: {len(apps) - len(unread)}.")
        if unread:
            raise CommandError(
                f"No key of ours reads the seeds of: {', '.join(user.username for user in unread)}. Reset their second factors."
            )


def _encrypt(app: AuthenticatorApp) -> bool:
    try:
        app.key = seeds.seal_again(app.key)
    except InvalidToken:
        return False
    app.save(update_fields=["key"])
    return True
