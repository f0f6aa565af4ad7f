"""Usernames have one normalised spelling without invisible characters: in the API, the admin site and all commands.

Dots and @ are allowed, because many companies use `first.last` or the email address as the username.
"""

import re
import unicodedata

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.lookups import Regex

from api.spelling import MAX_NORMALISED_CHARS, SIGNS, without_signs
from api.text_fields import NormalisedField

NO_USERNAME = "A username has letters, digits and . @ + - _ only, and doesn't begin with www."

_SHAPE = re.compile(r"(?!www\.)[\w.@+-]+")
_INVISIBLE_CATEGORIES = ("Cc", "Cf", "Co", "Cn")
# The constraint forbids only invisible characters, and ASCII characters that no username has.
# Letters aren't checked in PostgreSQL, because PostgreSQL classifies letters differently from Python.
_FORBIDDEN_IN_SQL = rf"[\u0001-*,/:-?\[-^`{{-\u007F{SIGNS}]"


def normalise_username(text: str) -> str:
    """Returns the normalised spelling of a username: NFKC, lowercase, no invisible characters (UAX 31, UTS 39).

    Otherwise two different usernames could look the same, and another spelling of a username could avoid its login
    limit.
    """
    if len(text) > MAX_NORMALISED_CHARS:
        return text
    previous = None
    while text != previous:  # repeats, because a step may produce a character that another step removes (U+FFA0)
        previous = text
        visible = without_signs(unicodedata.normalize("NFKC", text))
        visible = "".join(char for char in visible if unicodedata.category(char) not in _INVISIBLE_CATEGORIES)
        text = unicodedata.normalize("NFKC", visible.casefold()).strip()
    return text


def require_username(text: str) -> None:
    """Raises ValidationError if the text, which is normalised already, isn't a valid username."""
    if not _SHAPE.fullmatch(text):
        raise ValidationError(NO_USERNAME, code="invalid")


class UsernameField(NormalisedField, models.CharField):
    """Model field for a username. The field validates, stores and looks up the normalised spelling."""

    normalise = staticmethod(normalise_username)
    default_validators = [require_username]


def username_checked(name: str) -> models.CheckConstraint:
    """Returns the database constraint on usernames.

    The constraint also checks rows that are written in plain SQL, but forbids fewer characters than
    `require_username`.
    """
    in_nfkc = Func(F("username"), template="normalize(%(expressions)s, NFKC)", output_field=models.TextField())
    # The lookup is Regex(…), because `username__regex` would normalise the pattern as if it were a username.
    has_other_signs = Regex(F("username"), Value(rf"^$|^www\.|{_FORBIDDEN_IN_SQL}"))
    condition = Q(username=in_nfkc) & ~Q(has_other_signs)
    return models.CheckConstraint(name=name, condition=condition, violation_error_message=NO_USERNAME)
