"""First and last names: one stored form, no invisible characters, no web address.

The API, the admin site, CSV imports and SQL all apply the same rule.
"""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.lookups import IRegex
from django.utils.translation import gettext_noop
from rest_framework import serializers

from api.spelling import SIGNS, WEB_ADDRESS, has_invisible, has_web_address, normalise_name

NAME_INVISIBLE = gettext_noop(
    "This has characters that nobody sees, such as line breaks or marks of direction: type it again."
)
NO_NAME = gettext_noop(
    "A name holds no web or email address: no //, no www., no @ within, no mailto: or tel:, and a space after each full"
    " stop."
)


def require_name(text: str) -> None:
    """Raises ValidationError if a name contains invisible characters, a web address or an email address."""
    if has_invisible(text):
        raise ValidationError(NAME_INVISIBLE, code="invisible_characters")
    if has_web_address(text):
        raise ValidationError(NO_NAME, code="web_address")


class PersonNameField(models.CharField):
    """Model field for a first or last name. The field normalises each value before it is stored or used in a query."""

    default_validators = [require_name]

    def to_python(self, value: Any) -> Any:
        return _normalise_person_name(super().to_python(value))

    def get_prep_value(self, value: Any) -> Any:
        return _normalise_person_name(super().get_prep_value(value))


def require_length(field: serializers.CharField, data: Any) -> None:
    """Raises ValidationError if a text is longer than the field's `max_length`, which the OpenAPI document declares.

    The check comes before normalisation, because normalisation may shorten the text.
    """
    if isinstance(data, str) and field.max_length is not None and len(data) > field.max_length:
        field.fail("max_length", max_length=field.max_length)


class PersonNameSerializerField(serializers.CharField):
    """Serializer field of a first or last name. A name that only has invisible characters counts as empty."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        require_length(self, data)
        return super().run_validation(_normalise_person_name(data))


def _normalise_person_name(value: Any) -> Any:
    return normalise_name(value) if isinstance(value, str) else value


def no_web_address_in_sql(field: str) -> Q:
    """Returns the SQL condition "the field has no web address" for a check constraint.

    The condition uses the same pattern for web addresses as `has_web_address`.
    """
    in_nfkc = Func(F(field), template="normalize(%(expressions)s, NFKC)", output_field=models.TextField())
    return ~Q(IRegex(in_nfkc, Value(WEB_ADDRESS)))


def names_checked(name: str, *fields: str) -> models.CheckConstraint:
    """Returns a check constraint that applies the rules for first and last names.

    PostgreSQL must check names itself, because programs that write SQL bypass Django's fields.
    """
    condition = Q()
    for field in fields:
        in_nfc = Q(**{field: Func(F(field), function="normalize")})
        condition &= in_nfc & ~Q(**{f"{field}__regex": f"^ | $|[{SIGNS}]"}) & no_web_address_in_sql(field)
    return models.CheckConstraint(name=name, condition=condition, violation_error_message=f"{NAME_INVISIBLE} {NO_NAME}")
