"""Fields for the text of people, each with one stored form: names, single lines, and text of several lines.

The API, the admin site, CSV imports and SQL all apply the same rules. Text is stored in NFC, without spaces and
invisible characters at its edges. Email addresses and usernames have fields of their own, built on the same classes.
"""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import BooleanField, F, Func, Q, Value
from django.db.models.lookups import IRegex, Regex
from django.utils.translation import gettext_noop
from rest_framework import serializers

from api.spelling import (
    LINE_CONTROLS,
    SIGNS,
    SPACES,
    TEXT_CONTROLS,
    WEB_ADDRESS,
    has_control,
    has_invisible,
    has_line_control,
    has_web_address,
    normalise_free_text,
    normalise_name,
)

NAME_INVISIBLE = gettext_noop(
    "This has characters that nobody sees, such as line breaks or marks of direction: type it again."
)
TEXT_INVISIBLE = "This has control characters, which nobody sees: type it again."
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


def require_line(text: str) -> None:
    """Raises ValidationError if a text of one line contains line breaks, control characters or marks of direction."""
    if has_line_control(text):
        raise ValidationError(NAME_INVISIBLE, code="invisible_characters")


def require_free_text(text: str) -> None:
    """Raises ValidationError if a text of several lines contains control characters other than line breaks and tabs."""
    if has_control(text):
        raise ValidationError(TEXT_INVISIBLE, code="invisible_characters")


class NormalisedField(models.Field):
    """Mixin for a model field that normalises each value before it is stored or used in a query."""

    @staticmethod
    def normalise(text: str) -> str:
        raise NotImplementedError

    def to_python(self, value: Any) -> Any:
        return self._normalised(super().to_python(value))

    def get_prep_value(self, value: Any) -> Any:
        return self._normalised(super().get_prep_value(value))

    def _normalised(self, value: Any) -> Any:
        return self.normalise(value) if isinstance(value, str) else value


class LineField(NormalisedField, models.CharField):
    """Model field for a text of one line, such as a company's name. It may contain any visible characters."""

    normalise = staticmethod(normalise_name)
    default_validators = [require_line]


class PersonNameField(NormalisedField, models.CharField):
    """Model field for a first or last name. Mails show it, so it contains no web address."""

    normalise = staticmethod(normalise_name)
    default_validators = [require_name]


class FreeTextFormField(forms.CharField):
    """Form field for a text of several lines. As in browsers, its `max_length` counts a line break as one character."""

    def to_python(self, value: Any) -> Any:
        return normalise_free_text(super().to_python(value) or "")


class FreeTextField(NormalisedField, models.TextField):
    """Model field for a text of several lines. Each line break is stored as LF (U+000A).

    Browsers send the line breaks of a form as CRLF (HTML Standard, "constructing the entry list"), most apps send LF.
    Without one form, a text that goes from an app to the admin site and back would count as changed.
    """

    normalise = staticmethod(normalise_free_text)
    default_validators = [require_free_text]

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": FreeTextFormField, **kwargs})


def require_length(field: serializers.CharField, data: Any) -> None:
    """Raises ValidationError if a text is longer than the field's `max_length`, which the OpenAPI document declares.

    The check comes before normalisation, because normalisation may shorten the text.
    """
    if isinstance(data, str) and field.max_length is not None and len(data) > field.max_length:
        field.fail("max_length", max_length=field.max_length)


class NormalisedSerializerField(serializers.CharField):
    """Serializer field that normalises a text before its checks. A text of invisible characters only counts as empty."""

    @staticmethod
    def normalise(text: str) -> str:
        raise NotImplementedError

    def run_validation(self, data: Any = serializers.empty) -> Any:
        require_length(self, data)
        return super().run_validation(self.normalise(data) if isinstance(data, str) else data)


class LineSerializerField(NormalisedSerializerField):
    """Serializer field for a text of one line, and for a person's name. The model's validators tell them apart."""

    normalise = staticmethod(normalise_name)


class FreeTextSerializerField(NormalisedSerializerField):
    """Serializer field for a text of several lines. Each line break is changed to LF (U+000A)."""

    normalise = staticmethod(normalise_free_text)


def no_web_address_in_sql(field: str) -> Q:
    """Returns the SQL condition "the field has no web address" for a check constraint.

    The condition uses the same pattern for web addresses as `has_web_address`.
    """
    in_nfkc = Func(F(field), template="normalize(%(expressions)s, NFKC)", output_field=models.TextField())
    return ~Q(IRegex(in_nfkc, Value(WEB_ADDRESS)))


class TextConstraint(models.CheckConstraint):
    """Check constraint that repeats the rules of a field's validators, for programs that write SQL.

    Django would ask PostgreSQL about it in a statement of its own, before each save of a form.
    """

    def validate(self, *args: Any, **kwargs: Any) -> None:
        """Checks nothing, because the field's validators have checked the text already."""

    def deconstruct(self) -> Any:
        """Describes the constraint to migrations as a plain CheckConstraint, because the database has one."""
        _, arguments, options = super().deconstruct()
        return "django.db.models.CheckConstraint", arguments, options


def _condition(field: str, forbidden: str) -> Q:
    """Returns the SQL condition that a text is in NFC and contains nothing that matches `forbidden`."""
    in_nfc = Func(F(field), template="(%(expressions)s IS NFC NORMALIZED)", output_field=BooleanField())
    return Q(in_nfc) & ~Q(Regex(F(field), Value(forbidden)))


def names_checked(name: str, *fields: str) -> models.CheckConstraint:
    """Returns a check constraint that applies the rules for first and last names.

    PostgreSQL must check names itself, because programs that write SQL bypass Django's fields.
    """
    condition = Q()
    for field in fields:
        condition &= _condition(field, f"^ | $|[{SIGNS}]") & no_web_address_in_sql(field)
    return TextConstraint(name=name, condition=condition, violation_error_message=f"{NAME_INVISIBLE} {NO_NAME}")


def texts_checked(name: str, *lines: str, free_text: str = "") -> models.CheckConstraint:
    """Returns a check constraint that applies the rules for texts of one line, and for a text of several lines."""
    edges = f"^[{SPACES}{SIGNS}]|[{SPACES}{SIGNS}]$"
    condition = Q()
    for field in lines:
        condition &= _condition(field, f"{edges}|[{LINE_CONTROLS}]")
    if free_text:
        condition &= _condition(free_text, f"{edges}|[{TEXT_CONTROLS}]")
    sentence = "A text is stored in NFC, without control characters, and without invisible characters at its edges."
    return TextConstraint(name=name, condition=condition, violation_error_message=sentence)
