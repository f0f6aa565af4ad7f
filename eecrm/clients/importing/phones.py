"""Parser for phone numbers in the national form of a country or in the international form."""

import re

from phonenumber_field.phonenumber import PhoneNumber
from phonenumbers import NumberParseException

from clients.importing.countries import region_of


class UnreadablePhone(ValueError):
    """Raised if a text isn't a valid phone number. The message is a sentence for users."""


def read_phone(text: str, country: str) -> PhoneNumber:
    """Parses a phone number, and accepts the same numbers as the API. `country` is a name, a code or empty.

    Raises UnreadablePhone if the text isn't a valid number. Accepts an extension (`x123`), but the stored number lacks
    it, because E.164 has no place for extensions.
    """
    # A leading 00 always means the international form here, although some countries dial another prefix for it.
    international = re.sub(r"^00", "+", text)
    try:
        number: PhoneNumber = PhoneNumber.from_string(international, region=region_of(country))
    except NumberParseException as error:
        raise UnreadablePhone(_reason(text, country, error)) from None
    if not number.is_valid():
        where = "" if international.startswith("+") else f" of {country}"
        raise UnreadablePhone(f"{text!r} isn't a valid phone number{where}.")
    return number


def _reason(text: str, country: str, error: NumberParseException) -> str:
    if error.error_type != NumberParseException.INVALID_COUNTRY_CODE or text.startswith(("+", "00")):
        return f"{text!r} isn't a phone number."
    if not country:
        return f"{text!r} can't be read without a country: write it as + and its country code, or name its country."
    return f"{text!r} can't be read, because {country!r} isn't a country with phone numbers that is known here."
