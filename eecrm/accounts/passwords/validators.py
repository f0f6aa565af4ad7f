"""What a password must be (NIST SP 800-63B-4, section 3.1.1): long, and hard to guess for whoever knows its owner.

No rules of composition, and nothing is cut off: spaces at the edges are part of a password.
"""

import re
import unicodedata

from django.core.exceptions import ValidationError

from access.database import as_login_role
from accounts.models import AuthenticatorApp, User

MOST_BYTES = 1024
PASSWORD_TOO_LONG = "A password has at most 1,024 bytes."


def require_hashable(password: str) -> None:
    """Raises ValidationError for a text that nobody types and that only keeps the hasher busy."""
    if is_too_long(password):
        raise ValidationError(PASSWORD_TOO_LONG, code="password_too_long")


def is_too_long(password: str) -> bool:
    return len(password.encode(errors="surrogatepass")) > MOST_BYTES


class LengthValidator:
    """At least 12 characters, or 15 where the password alone opens the admin site; at most 1,024 bytes in UTF-8."""

    LEAST, LEAST_ALONE = 12, 15

    def validate(self, password: str, user: User | None = None) -> None:
        require_hashable(password)
        least = self.LEAST_ALONE if user and user.is_staff and not _has_second_factor(user) else self.LEAST
        if len(password) < least:
            why = " as long as you have no second factor" if least == self.LEAST_ALONE else ""
            raise ValidationError(f"Use at least {least} characters{why}.", code="password_too_short")

    def get_help_text(self) -> str:
        return (
            f"Use at least {self.LEAST} characters; managers and auditors without a second factor {self.LEAST_ALONE}. "
            "A few words that have nothing to do with each other are easy to remember."
        )


def _has_second_factor(user: User) -> bool:
    if user.pk is None:
        return False
    with as_login_role():
        return AuthenticatorApp.objects.filter(user=user, confirmed=True).exists()


class ContextValidator:
    """Refuses what is little more than our own words, or the names of the account."""

    WORDS = ("epic", "events", "eecrm", "crm")
    LEAST_WITHOUT = 8
    SHORTEST_NAME = 3  # an initial would take that letter out of every password

    def validate(self, password: str, user: User | None = None) -> None:
        words = sorted(
            {*self.WORDS, *(_names_of_account(user, self.SHORTEST_NAME) if user else ())}, key=len, reverse=True
        )
        rest = re.sub("|".join(map(re.escape, words)), "", _plain_text(password))
        if len(rest) < self.LEAST_WITHOUT:
            raise ValidationError(
                f"Without your names and ours (Epic Events, CRM) at least {self.LEAST_WITHOUT} characters must remain.",
                code="password_in_context",
            )

    def get_help_text(self) -> str:
        return "Your own names and ours (Epic Events, CRM) don't count."


def _names_of_account(user: User, shortest: int) -> set[str]:
    own = (user.username, user.first_name, user.last_name, user.email.partition("@")[0])
    return {part for name in own for part in re.split(r"[\W_]+", _plain_text(name)) if len(part) >= shortest}


def _plain_text(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
