"""Usernames: one normalised spelling without invisible characters, in the API, the admin site and all commands.

Dots and @ are allowed, because many companies name their accounts `first.last`, or by the email address.
"""

import re
import unicodedata
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.lookups import Regex

from api.spelling import MAX_NORMALISED_CHARS, SIGNS, without_signs

NO_USERNAME = "A username has letters, digits and . @ + - _ only, and doesn't begin with www."

_SHAPE = re.compile(r"(?!www\.)[\w.@+-]+")
_INVISIBLE_CATEGORIES = ("Cc", "Cf", "Co", "Cn")
# PostgreSQL classifies letters differently from Python, so the constraint forbids only invisible characters, and the
# characters of ASCII that no username has.
_FORBIDDEN_IN_SQL = rf"[\u0001-*,/:-?\[-^`{{-\u007F{SIGNS}]"


def normalise_username(text: str) -> str:
    """Returns the normalised spelling of a username: NFKC, lowercase, no invisible characters (UAX 31, UTS 39).

    Otherwise one user could look like another, or avoid a login limit by another spelling of the name.
    """
    if len(text) > MAX_NORMALISED_CHARS:
        return text
    previous = None
    while text != previous:  # a step may produce a character that another step removes, as for U+FFA0
        previous = text
        visible = without_signs(unicodedata.normalize("NFKC", text))
        visible = "".join(char for char in visible if unicodedata.category(char) not in _INVISIBLE_CATEGORIES)
        text = unicodedata.normalize("NFKC", visible.casefold()).strip()
    return text


def require_username(text: str) -> None:
    """Raises ValidationError if a normalised text isn't a username."""
    if not _SHAPE.fullmatch(text):
        raise ValidationError(NO_USERNAME, code="invalid")


class UsernameField(models.CharField):
    """A username: validated, stored and looked up in its normalised spelling."""

    default_validators = [require_username]

    def to_python(self, value: Any) -> Any:
        return _normalised_username(super().to_python(value))

    def get_prep_value(self, value: Any) -> Any:
        return _normalised_username(super().get_prep_value(value))


def _normalised_username(value: Any) -> Any:
    return normalise_username(value) if isinstance(value, str) else value


def username_checked(name: str) -> models.CheckConstraint:
    """Returns the database constraint on usernames, for rows that are written in plain SQL.

    It forbids fewer characters than the validator.
    """
    in_nfkc = Func(F("username"), template="normalize(%(expressions)s, NFKC)", output_field=models.TextField())
    # Regex(…) instead of `username__regex`, which would normalise the pattern like a username.
    has_other_signs = Regex(F("username"), Value(rf"^$|^www\.|{_FORBIDDEN_IN_SQL}"))
    condition = Q(username=in_nfkc) & ~Q(has_other_signs)
    return models.CheckConstraint(name=name, condition=condition, violation_error_message=NO_USERNAME)
