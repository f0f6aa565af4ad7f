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
    """One-time links of one purpose: an invitation, or the reset of a password.

    A token is a keyed hash of values that change when the link is used, so nothing is stored. A link ends when it is
    used, and with any other change of the password or the email address. It also ends when the account is deactivated,
    and after its lifetime.

    A login doesn't end a link, nor does a change between upper and lower case in the address. Otherwise an attacker who
    knows the password, or a manager, could end the owner's link.
    """

    def __init__(self, purpose: str, lifetime: timedelta) -> None:
        super().__init__()
        self.key_salt = f"accounts.passwords.links.{purpose}"
        self.lifetime = lifetime

    def url(self, user: User) -> str:
        """Returns the absolute URL under PUBLIC_URL.

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
        """Returns the text to hash: Django's text without the last login, and with the address in lower case.

        Line breaks separate the values. Django doesn't separate them, so that different values can give the same text.
        """
        return "\n".join(
            [str(user.pk), user.password, str(timestamp), user.email.lower(), str(user.deactivated_at or "")]
        )


INVITATION = OneTimeLink("invitation", timedelta(days=7))
PASSWORD_RESET = OneTimeLink("password reset", timedelta(hours=1))


def is_valid(user: User | None, token: str | None) -> bool:
    """Returns True if the token, of either purpose, lets its bearer choose the account's password.

    An invitation doesn't work for an account in use, because it goes to an address that isn't confirmed.
    """
    invited = user is not None and not user.is_claimed and INVITATION.check_token(user, token)
    return invited or PASSWORD_RESET.check_token(user, token)
