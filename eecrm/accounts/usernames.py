"""Usernames: one spelling, nothing invisible. The same rule for every way in. Many companies name their accounts
`first.last`, or by the email address."""

import re
import unicodedata
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.lookups import Regex

from api.spelling import MOST_CHARS, SIGNS, without_signs

NO_USERNAME = "A username has letters, digits and . @ + - _ only, and doesn't begin with www."

_SHAPE = re.compile(r"(?!www\.)[\w.@+-]+")
_UNSEEN = ("Cc", "Cf", "Co", "Cn")
# PostgreSQL doesn't know letters as Python does: of the characters that are none, those of ASCII.
_NO_SHAPE_IN_SQL = rf"[\u0001-*,/:-?\[-^`{{-\u007F{SIGNS}]"


def normalise_username(text: str) -> str:
    """The one spelling of a username: NFKC, lowercase, without characters that nobody sees (UAX 31, UTS 39).

    So that nobody is taken for somebody else, and no limit of logins is slipped past by spelling a name anew.
    """
    before = None
    if len(text) > MOST_CHARS:
        return text
    while text != before:  # what one step makes of a sign, as of U+FFA0, may be for another one to take away
        before = text
        seen = without_signs(unicodedata.normalize("NFKC", text))
        seen = "".join(sign for sign in seen if unicodedata.category(sign) not in _UNSEEN)
        text = unicodedata.normalize("NFKC", seen.casefold()).strip()
    return text


def require_username(text: str) -> None:
    """Raises ValidationError for what no username is, in its one spelling."""
    if not _SHAPE.fullmatch(text):
        raise ValidationError(NO_USERNAME, code="invalid")


class UsernameField(models.CharField):
    """A username, checked, stored and looked for in its one spelling whichever way it came in."""

    default_validators = [require_username]

    def to_python(self, value: Any) -> Any:
        return _normalised(super().to_python(value))

    def get_prep_value(self, value: Any) -> Any:
        return _normalised(super().get_prep_value(value))


def _normalised(value: Any) -> Any:
    return normalise_username(value) if isinstance(value, str) else value


def username_checked(name: str) -> models.CheckConstraint:
    """The rule in PostgreSQL, for whoever writes SQL: as far as it knows characters."""
    in_nfkc = Func(F("username"), template="normalize(%(expressions)s, NFKC)", output_field=models.TextField())
    has_other_signs = Regex(F("username"), Value(rf"^$|^www\.|{_NO_SHAPE_IN_SQL}"))  # a lookup by the field's name would spell it anew
    condition = Q(username=in_nfkc) & ~Q(has_other_signs)
    return models.CheckConstraint(name=name, condition=condition, violation_error_message=NO_USERNAME)
