"""Phone numbers as people write them, read with the country that they are written in."""

import re

from phonenumber_field.phonenumber import PhoneNumber
from phonenumbers import NumberParseException

from clients.importing.countries import region_of


class UnreadablePhone(ValueError):
    """Why this is no phone number, in a sentence."""


def read_phone(text: str, country: str) -> PhoneNumber:
    """A number that the API would accept as well. `country` is a name or a code, or empty.

    An extension (`x123`) is read, but E.164 has no place for it: it is gone when the number is stored.
    """
    # Whatever a country dials to get out of it, a file that begins numbers with 00 means the international form.
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
