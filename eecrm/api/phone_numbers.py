"""Reads phone numbers as people write them, for the API, the admin site and CSV imports alike.

A number is stored in E.164: + and at most 15 digits. The library phonenumbers decides which numbers are valid.
"""

import re
import unicodedata
from enum import Enum, auto
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from phonenumber_field import formfields, modelfields, serializerfields
from phonenumber_field.phonenumber import PhoneNumber
from phonenumbers import NumberParseException, PhoneNumberFormat, national_significant_number, parse
from rest_framework import serializers

from api.spelling import trim, without_signs
from csv_files.words import quoted

MAX_PHONE_DIGITS = 15  # of a number in E.164, with its country code (ITU-T E.164, section 6.1)
_MAX_TEXT_CHARS = 100  # longer texts aren't parsed, because no phone number with its remarks is so long

# A label before a number: `tel:`, `Mobile : `, `Tél. `.
_LABEL = re.compile(r"^(?:[^\W\d_]+\s*:|t[eé]l\.?|mob\.|port\.)\s*", re.IGNORECASE)
_EXTENSION = re.compile(r"[\s,;]*(?:;ext=|ext(?:ensio)?n?|x|poste|#)[.:]?\s*(?P<digits>[0-9]{1,7})\)?$", re.IGNORECASE)
_LETTER = re.compile(r"[^\W\d_]")
_DOUBLE_ZERO = re.compile(r"^(\(?)\s*00")
# A decimal fraction at the end of a number: `30901820.0`, `33199001234,00`. The points of `06.12.34.56.78` are none.
_FRACTION = re.compile(r"[^.,]*[0-9](?:[.,][0-9]{1,2}|[.,]0+)")
# Marks that lists put between two numbers. One of them may also follow an area code: `030/901820`.
_BETWEEN_NUMBERS = re.compile(r"[/;,|&\n]")
_MAX_AREA_CODE_DIGITS = 5

# Numbers that regulators keep for stories and examples, and that phonenumbers takes for invalid, by calling code.
# Sources: Ofcom, telephone numbers for use in TV and radio drama; ARCEP, decision 2018-0881, section 2.5.12.
_FICTIONAL = {44: re.compile(r"(?:7700900|1632960)[0-9]{3}"), 33: re.compile(r"63998[0-9]{4}")}


class E164Number(PhoneNumber):
    """A phone number of the library. It is valid only if it fits E.164; examples of regulators are valid, too."""

    is_checked = False  # True after `read_phone`, because Django and the library ask several times for the validity

    @property
    def digits(self) -> int:
        return len(str(self.country_code)) + len(national_significant_number(self))

    def is_valid(self) -> bool:
        if self.is_checked or self.country_code is None:
            return self.is_checked
        if self.digits > MAX_PHONE_DIGITS:
            return False
        fictional = _FICTIONAL.get(self.country_code)
        if fictional and fictional.fullmatch(str(self.national_number)):
            return True
        return bool(super().is_valid())


class UnreadablePhone(ValueError):
    """Raised if a text isn't a valid phone number. The message says why, and shows how to write a number.

    The message is translated only if it is shown, because an import may have many thousand of them.
    """

    def __init__(self, text: str, fault: "_Fault", country: str) -> None:
        super().__init__(text, fault, country)
        self.text, self.fault, self.country = text, fault, country

    def __str__(self) -> str:
        sentence = self.fault.sentence() % {
            "number": quoted(self.text),
            "country": self.country,
            "quoted": quoted(self.country),
            "digits": MAX_PHONE_DIGITS,
        }
        how_to = gettext("Write a number with + and its country code, as in +33 6 12 34 56 78.")
        return f"{sentence} {how_to}"


class _Fault(Enum):
    """A reason why a text isn't a valid phone number."""

    NO_NUMBER = auto()
    INVALID = auto()
    INVALID_IN_COUNTRY = auto()
    TOO_LONG = auto()
    FRACTION = auto()
    SEVERAL = auto()
    NO_COUNTRY = auto()
    UNKNOWN_COUNTRY = auto()

    def sentence(self) -> str:
        return {
            _Fault.NO_NUMBER: gettext("%(number)s isn't a phone number."),
            _Fault.INVALID: gettext("%(number)s isn't a valid phone number."),
            _Fault.INVALID_IN_COUNTRY: gettext("%(number)s isn't a valid phone number of %(country)s."),
            _Fault.TOO_LONG: gettext(
                "%(number)s is too long: a number has at most %(digits)s digits, with its country code."
            ),
            _Fault.FRACTION: gettext("%(number)s has a decimal point, as spreadsheets add it."),
            _Fault.SEVERAL: gettext("%(number)s is more than one number."),
            _Fault.NO_COUNTRY: gettext("%(number)s can't be read without a country."),
            _Fault.UNKNOWN_COUNTRY: gettext(
                "%(number)s can't be read, because %(quoted)s isn't a country with phone numbers that is known here."
            ),
        }[self]


def read_phone(text: str, region: str | None = None, *, country: str = "") -> E164Number:
    """Parses a phone number. `region` is the ISO 3166-1 code of the country for national numbers; None: no country.

    `country` is the country as the user wrote it, for messages. Raises UnreadablePhone if the text isn't exactly one
    valid number. 00 is read as +. Invisible characters, a label such as `tel:` and a spreadsheet's apostrophe are
    dropped. An extension is kept apart from the number, because E.164 has no place for it. Letters are refused, because
    phonenumbers would read them as digits (`8-17 Uhr` as 817847).
    """
    number, extension = _without_extension(_LABEL.sub("", _plain(text)))
    number = _DOUBLE_ZERO.sub(r"\1+", number)
    parsed = E164Number()
    if fault := _fault_of(number, region, country, parsed):
        raise UnreadablePhone(text, fault, country)
    parsed.extension = extension
    parsed.is_checked = True
    return parsed


def _plain(text: str) -> str:
    """Removes invisible characters and a spreadsheet's apostrophe, and replaces wide digits by plain ones."""
    text = text.strip()[: _MAX_TEXT_CHARS + 1]
    if not (text.isascii() and text.isprintable()):
        text = trim(without_signs(unicodedata.normalize("NFKC", text)))
    return text.strip().lstrip("'’").strip()


def _without_extension(text: str) -> tuple[str, str | None]:
    match = _EXTENSION.search(text)
    return (text[: match.start()], match["digits"]) if match else (text, None)


def _fault_of(number: str, region: str | None, country: str, parsed: E164Number) -> _Fault | None:
    """Parses a number without label and extension into `parsed`. Returns the fault of an invalid number."""
    if len(number) > _MAX_TEXT_CHARS or _LETTER.search(number):
        return _Fault.NO_NUMBER
    if _FRACTION.fullmatch(number):
        return _Fault.FRACTION
    if _has_several(number):
        return _Fault.SEVERAL
    is_international = number.lstrip("( ").startswith("+")
    try:
        parse(number, region, keep_raw_input=True, numobj=parsed)
    except NumberParseException as error:
        if error.error_type == NumberParseException.TOO_LONG:
            return _Fault.TOO_LONG
        if error.error_type != NumberParseException.INVALID_COUNTRY_CODE or is_international:
            return _Fault.NO_NUMBER
        return _Fault.UNKNOWN_COUNTRY if country else _Fault.NO_COUNTRY
    if parsed.is_valid():
        return None
    if parsed.digits > MAX_PHONE_DIGITS:
        return _Fault.TOO_LONG
    return _Fault.INVALID_IN_COUNTRY if country and not is_international else _Fault.INVALID


def _has_several(text: str) -> bool:
    mark = _BETWEEN_NUMBERS.search(text)
    return mark is not None and sum(map(str.isdigit, text[: mark.start()])) > _MAX_AREA_CODE_DIGITS


def _e164(number: PhoneNumber) -> str:
    return str(number.format_as(PhoneNumberFormat.E164))


def _as_number(value: Any) -> Any:
    """Returns the number in a text. If the text isn't a valid number, the result has only `raw_input`."""
    if not isinstance(value, str) or not value.strip():
        return value
    try:
        return read_phone(value)
    except UnreadablePhone:
        return E164Number(raw_input=value)


def require_phone(value: Any) -> None:
    """Raises ValidationError unless a phone number is valid."""
    if isinstance(value, PhoneNumber) and not value.is_valid():
        try:
            read_phone(value.raw_input or _e164(value))
        except UnreadablePhone as error:
            # Django would replace the message of the code `invalid` by one that gives no reason.
            raise ValidationError(str(error), code="invalid_phone") from None


class _PhoneDescriptor(modelfields.PhoneNumberDescriptor):
    def __set__(self, instance: Any, value: Any) -> None:
        super().__set__(instance, _as_number(value))


class PhoneField(modelfields.PhoneNumberField):
    """Model field for a phone number. The field reads each value before it is stored or used in a query."""

    descriptor_class = _PhoneDescriptor
    default_validators = [require_phone]

    def to_python(self, value: Any) -> Any:
        return super().to_python(_as_number(value))

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        if not value:
            return value
        try:
            return E164Number.from_string(value)
        except NumberParseException:  # SQL may write any digits after the +
            return E164Number(raw_input=value)

    def formfield(self, *args: Any, **kwargs: Any) -> Any:
        return super().formfield(*args, **{"form_class": PhoneFormField, **kwargs})


class PhoneFormField(formfields.PhoneNumberField):
    default_validators = [require_phone]

    def to_python(self, value: Any) -> Any:
        return _as_number(forms.CharField.to_python(self, value)) or self.empty_value


class PhoneSerializerField(serializerfields.PhoneNumberField):
    """A phone number as text in E.164. If the value were a PhoneNumber, each validator would parse it again."""

    def to_internal_value(self, data: Any) -> str:
        text = serializers.CharField.to_internal_value(self, data)
        try:
            return _e164(read_phone(text)) if text else ""
        except UnreadablePhone as error:
            raise serializers.ValidationError(str(error), code="invalid") from None
