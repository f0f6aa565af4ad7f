"""Password rules (NIST SP 800-63B-4, section 3.1.1): long, and hard to guess even for a person who knows the owner.

No rule asks for digits or special characters. A password is used in full: spaces at its edges are part of it.
"""

import re
import unicodedata

from django.core.exceptions import ValidationError
from django.utils import translation

from access.database import as_login_role
from accounts.models import AuthenticatorApp, User

MAX_BYTES = 1024
PASSWORD_TOO_LONG = translation.gettext_lazy("A password has at most 1,024 bytes.")


def require_hashable(password: str) -> None:
    """Raises ValidationError if a password has over 1,024 bytes, because a longer one only keeps the hasher busy."""
    if is_too_long(password):
        raise ValidationError(PASSWORD_TOO_LONG, code="password_too_long")


def is_too_long(password: str) -> bool:
    return len(password.encode(errors="surrogatepass")) > MAX_BYTES


class LengthValidator:
    """Requires 12 characters, or 15 if the password alone opens the admin site. Allows 1,024 bytes in UTF-8."""

    MIN_CHARS, MIN_CHARS_WITHOUT_SECOND_FACTOR = 12, 15

    def validate(self, password: str, user: User | None = None) -> None:
        require_hashable(password)
        is_alone = user is not None and user.is_staff and not _has_second_factor(user)
        min_chars = self.MIN_CHARS_WITHOUT_SECOND_FACTOR if is_alone else self.MIN_CHARS
        if len(password) < min_chars:
            sentence = translation.gettext("Use at least %(number)s characters.")
            if is_alone:
                sentence = translation.gettext(
                    "Use at least %(number)s characters as long as you have no second factor."
                )
            raise ValidationError(sentence % {"number": min_chars}, code="password_too_short")

    def get_help_text(self) -> str:
        sentence = translation.gettext(
            "Use at least %(number)s characters; managers and auditors without a second factor %(more)s. "
            "A few words that have nothing to do with each other are easy to remember."
        )
        return sentence % {"number": self.MIN_CHARS, "more": self.MIN_CHARS_WITHOUT_SECOND_FACTOR}


def _has_second_factor(user: User) -> bool:
    if user.pk is None:
        return False
    with as_login_role():
        return AuthenticatorApp.objects.filter(user=user, confirmed=True).exists()


class ContextValidator:
    """Refuses a password that consists mostly of names.

    For the check, WORDS and the names of the account's owner are removed from the password. The password is refused if
    fewer than 8 characters remain.
    """

    WORDS = ("epic", "events", "eecrm", "crm")
    MIN_REMAINING_CHARS = 8
    MIN_NAME_CHARS = 3  # shorter names are ignored: otherwise an initial such as A would be removed from every password

    def validate(self, password: str, user: User | None = None) -> None:
        names = _names_of_account(user, self.MIN_NAME_CHARS) if user else set()
        words = sorted({*self.WORDS, *names}, key=len, reverse=True)
        remaining = re.sub("|".join(map(re.escape, words)), "", _plain_text(password))
        if len(remaining) < self.MIN_REMAINING_CHARS:
            sentence = translation.gettext(
                "Without your names and ours (Epic Events, CRM) at least %(number)s characters must remain."
            )
            raise ValidationError(sentence % {"number": self.MIN_REMAINING_CHARS}, code="password_in_context")

    def get_help_text(self) -> str:
        return translation.gettext("Your own names and ours (Epic Events, CRM) don't count.")


def _names_of_account(user: User, min_chars: int) -> set[str]:
    names = (user.username, user.first_name, user.last_name, user.email.partition("@")[0])
    return {part for name in names for part in re.split(r"[\W_]+", _plain_text(name)) if len(part) >= min_chars}


def _plain_text(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
