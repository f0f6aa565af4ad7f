"""One-time links with which users choose their own password, for an invitation or a reset."""

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.http import HttpRequest
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import base36_to_int, urlsafe_base64_encode

from access.security_log import security_event
from accounts.login.tokens import LEEWAY
from accounts.models import User


class OneTimeLink(PasswordResetTokenGenerator):
    """One-time links for one purpose: an invitation, or the reset of a password.

    A link's token is a keyed hash of values that change when the link is used, so the database stores no token. A link
    becomes invalid after its use, after its lifetime, after any other change of the password or the email address, and
    when the account is deactivated.

    A login doesn't make a link invalid. Otherwise an attacker who knows the password could log in to make the owner's
    link invalid. A change of letter case in the email address doesn't make a link invalid either. Otherwise a manager
    could make the owner's link invalid by such a change.
    """

    def __init__(self, purpose: str, lifetime: timedelta) -> None:
        super().__init__()
        self.key_salt = f"accounts.passwords.links.{purpose}"
        self.lifetime = lifetime

    def url(self, user: User) -> str:
        """Returns the absolute URL of the account's link. The URL begins with the setting PUBLIC_URL.

        The URL doesn't use the Host header of the HTTP request, because an attacker can choose that header.
        """
        encoded_key = urlsafe_base64_encode(force_bytes(user.pk))
        return settings.PUBLIC_URL + reverse("choose-password", args=[encoded_key, self.make_token(user)])

    def check_token(self, user: User | None, token: str | None) -> bool:
        if user is None or token is None or not user.is_active or not super().check_token(user, token):
            return False
        age = self._num_seconds(self._now()) - base36_to_int(token.split("-")[0])
        return bool(-LEEWAY <= age <= self.lifetime.total_seconds())

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        """Returns the text to hash for a token.

        Unlike Django's text, this text leaves out the last login, and has the email address in lower case. Line breaks
        separate the values. Django's text has no separators, so different values can give the same text there.
        """
        return "\n".join(
            [str(user.pk), user.password, str(timestamp), user.email.lower(), str(user.deactivated_at or "")]
        )


INVITATION = OneTimeLink("invitation", timedelta(days=7))
PASSWORD_RESET = OneTimeLink("password reset", timedelta(hours=1))


def link_queued(account: int, kind: str, request: HttpRequest | None = None) -> None:
    """Logs that a mail with a link to a new password was queued for an account. `kind` is the kind of the mail."""
    security_event("authn_link_queued", request, level=logging.INFO, account=account, kind=str(kind))


def is_valid(user: User | None, token: str | None) -> bool:
    """Returns True if the token (of an invitation or a reset) lets its bearer choose the account's password.

    An invitation doesn't work for an account in use, because invitations are mailed to unconfirmed email addresses.
    """
    invited = user is not None and not user.is_claimed and INVITATION.check_token(user, token)
    return invited or PASSWORD_RESET.check_token(user, token)
