"""One-time links with which people choose their own password, for an invitation or for a reset."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import base36_to_int, urlsafe_base64_encode

from accounts.models import User


class OneTimeLink(PasswordResetTokenGenerator):
    """Links of one purpose. A token is a keyed hash of what its use changes, so that nothing has to be stored.

    It ends with its first use, with any other change of password, with another email address, with a deactivation of the
    account, and after its lifetime. A login ends none, nor does the same address in another case: an attacker who knows the
    password, or a manager, would end the owner's way out.
    """

    def __init__(self, purpose: str, lifetime: timedelta) -> None:
        super().__init__()
        self.key_salt = f"accounts.passwords.links.{purpose}"
        self.lifetime = lifetime

    def url(self, user: User) -> str:
        """The whole address, under PUBLIC_URL: what a request says about its host is anybody's to write."""
        name = urlsafe_base64_encode(force_bytes(user.pk))
        return settings.PUBLIC_URL + reverse("choose-password", args=[name, self.make_token(user)])

    def check_token(self, user: User | None, token: str | None) -> bool:
        if user is None or token is None or not user.is_active or not super().check_token(user, token):
            return False
        age = self._num_seconds(self._now()) - base36_to_int(token.split("-")[0])
        return bool(0 <= age <= self.lifetime.total_seconds())

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        """Django's without the last login and the case of the address, and separated: there, a digit may move from one part
        to the next."""
        return "\n".join(
            [str(user.pk), user.password, str(timestamp), user.email.lower(), str(user.deactivated_at or "")]
        )


INVITATION = OneTimeLink("invitation", timedelta(days=7))
PASSWORD_RESET = OneTimeLink("password reset", timedelta(hours=1))


def is_valid(user: User | None, token: str | None) -> bool:
    """Whether this token, of either purpose, lets its bearer choose the password of this account.

    An invitation goes to an address that nobody has confirmed: it opens no account that is in use.
    """
    invited = user is not None and not user.is_claimed and INVITATION.check_token(user, token)
    return invited or PASSWORD_RESET.check_token(user, token)
