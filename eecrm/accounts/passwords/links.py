"""One-time links with which users choose their own password, for an invitation or a reset."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import base36_to_int, urlsafe_base64_encode

from accounts.models import User


class OneTimeLink(PasswordResetTokenGenerator):
    """Links of one purpose. A token is a keyed hash of values that its use changes, so nothing is stored.

    A link ends when it is used, and with any other change of the password or the email address. It also ends when the
    account is deactivated, and after its lifetime.

    A login or another case of the address ends no link. Otherwise an attacker who knows the password, or a manager,
    could end the owner's link.
    """

    def __init__(self, purpose: str, lifetime: timedelta) -> None:
        super().__init__()
        self.key_salt = f"accounts.passwords.links.{purpose}"
        self.lifetime = lifetime

    def url(self, user: User) -> str:
        """The absolute URL under PUBLIC_URL.

        The Host header of a request isn't used, because a caller can write anything there.
        """
        encoded_key = urlsafe_base64_encode(force_bytes(user.pk))
        return settings.PUBLIC_URL + reverse("choose-password", args=[encoded_key, self.make_token(user)])

    def check_token(self, user: User | None, token: str | None) -> bool:
        if user is None or token is None or not user.is_active or not super().check_token(user, token):
            return False
        age = self._num_seconds(self._now()) - base36_to_int(token.split("-")[0])
        return bool(0 <= age <= self.lifetime.total_seconds())

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        """Django's value without the last login and without the address's case.

        Its parts are separated: in Django's value a digit may move from one part to the next.
        """
        return "\n".join(
            [str(user.pk), user.password, str(timestamp), user.email.lower(), str(user.deactivated_at or "")]
        )


INVITATION = OneTimeLink("invitation", timedelta(days=7))
PASSWORD_RESET = OneTimeLink("password reset", timedelta(hours=1))


def is_valid(user: User | None, token: str | None) -> bool:
    """True if this token, of either purpose, lets its bearer choose the account's password.

    An invitation goes to an unconfirmed address, so it opens no account that is in use.
    """
    invited = user is not None and not user.is_claimed and INVITATION.check_token(user, token)
    return invited or PASSWORD_RESET.check_token(user, token)
