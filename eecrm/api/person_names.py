"""Names of people: one spelling, nothing invisible, no web address. The same rule for every way in."""

import re
import unicodedata
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.lookups import IRegex
from rest_framework import serializers

INVISIBLE = "This has characters that nobody sees, such as line breaks or marks of direction: type it again."
WEB_ADDRESS = "A name holds no web or email address: no //, no www., no @, no mailto: or tel:, and a space after each full stop."

# Control and format characters, and signs that are drawn as nothing (Unicode's Default_Ignorable_Code_Point). Python's
# and PostgreSQL's regular expressions read these escapes alike.
_SIGNS = (
    r"\u0001-\u001F\u007F-\u009F\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u2028-\u202E"
    r"\u2060-\u206F\u2800\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB\U000E0000-\U000E0FFF"
)
_EDGES = re.compile(rf"\A[\s{_SIGNS}]+|[\s{_SIGNS}]+\Z")
_HIDDEN = re.compile(f"[{_SIGNS}]")
_SPACES = re.compile(r"[ \u00A0\u1680\u2000-\u200A\u202F\u205F\u3000]+")
# Readers of mail make a link of `evil.example`. In J.R.R. Tolkien one letter stands between two full stops. Both are applied
# to the NFKC form, in which each look-alike of a sign is that sign; the ideographic full stop alone has none.
_LINKS = r"//|www[.]|@|(mailto|tel|sms):"
_WEB_ADDRESS = re.compile(_LINKS + r"|[^\W_][.\u3002][^\W_]{2}", re.IGNORECASE)
_WEB_ADDRESS_IN_SQL = _LINKS + r"|[[:alnum:]][.\u3002][[:alnum:]]{2}"


def trim(text: str) -> str:
    """The text without spaces and invisible characters at its edges."""
    return _EDGES.sub("", text)


def has_invisible(text: str) -> bool:
    return bool(_HIDDEN.search(text)) or any(unicodedata.category(sign) in ("Cc", "Cf") for sign in text)


def normalise_name(text: str) -> str:
    """The one spelling of a name: NFC, trimmed, single plain spaces. What doesn't belong in a name stays, to be refused."""
    return unicodedata.normalize("NFC", _SPACES.sub(" ", trim(text)))


def require_name(text: str) -> None:
    """Raises ValidationError for what no name holds."""
    if has_invisible(text):
        raise ValidationError(INVISIBLE, code="invisible_characters")
    if _WEB_ADDRESS.search(unicodedata.normalize("NFKC", text)):
        raise ValidationError(WEB_ADDRESS, code="web_address")


class PersonNameField(models.CharField):
    """A first or last name, stored in its one spelling whichever way it came in."""

    default_validators = [require_name]

    def to_python(self, value: Any) -> Any:
        return _normalised(super().to_python(value))

    def get_prep_value(self, value: Any) -> Any:
        return _normalised(super().get_prep_value(value))


def require_length(field: serializers.CharField, data: Any) -> None:
    """Raises ValidationError for more characters than the document declares, also where fewer would be stored."""
    if isinstance(data, str) and field.max_length is not None and len(data) > field.max_length:
        field.fail("max_length", max_length=field.max_length)


class PersonNameSerializerField(serializers.CharField):
    """The same in a body. A name of nothing but invisible characters is empty."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        require_length(self, data)
        return super().run_validation(_normalised(data))


def _normalised(value: Any) -> Any:
    return normalise_name(value) if isinstance(value, str) else value


def names_checked(name: str, *fields: str) -> models.CheckConstraint:
    """The rule in PostgreSQL, for whoever writes SQL."""
    condition = Q()
    for field in fields:
        in_nfc = Q(**{field: Func(F(field), function="normalize")})
        in_nfkc = Func(F(field), template="normalize(%(expressions)s, NFKC)", output_field=models.TextField())
        links = IRegex(in_nfkc, Value(_WEB_ADDRESS_IN_SQL))
        condition &= in_nfc & ~Q(**{f"{field}__regex": f"^ | $|[{_SIGNS}]"}) & ~Q(links)
    return models.CheckConstraint(name=name, condition=condition, violation_error_message=f"{INVISIBLE} {WEB_ADDRESS}")
