"""Normalises and checks email addresses, so that one mailbox has one stored address.

A stored address has only ASCII characters. An address is normalised to NFKC (a Unicode normal form), and its domain is
converted to ASCII (IDNA): `ann@müller.example` -> `ann@xn--mller-kva.example`. An address with other characters before
the @, such as `zoë@epic.example`, is refused.
So PostgreSQL can check stored addresses, and comparisons only have to ignore case (docs/adr/0022).
"""

import unicodedata
from ipaddress import ip_address
from typing import Any

import idna
from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_noop
from rest_framework import serializers

from api.spelling import has_invisible, trim
from api.text_fields import NormalisedField, NormalisedSerializerField

MAX_LOCAL_CHARS = 64  # maximum characters before the @ (RFC 5321, section 4.5.3.1.1)
_MAX_CHARS = 320  # maximum characters to normalise; each email field refuses a longer text anyway

ADDRESS_INVISIBLE = gettext_noop("This address has characters that nobody sees: type it again.")
LOCAL_PART_TOO_LONG = f"The part of an address before the @ has at most {MAX_LOCAL_CHARS} characters."
# "ann"@… and ann@… are the same mailbox (RFC 5321), which must have only one stored form.
QUOTED = gettext_noop("Write the part of an address before the @ without quotation marks.")
NOT_WRITABLE = gettext_noop(
    "Mail can't be sent to this address: before the @ it takes plain letters, and its domain must be valid (IDNA)."
)


def normalise_address(text: str) -> str:
    """Returns the stored form of an email address.

    A text that isn't an email address raises no error here, because the field's validators refuse it later. Such a text
    is trimmed, and put into the stored form as far as possible. A text of more than _MAX_CHARS characters is only
    trimmed.
    """
    text = trim(text)
    if len(text) > _MAX_CHARS:
        return text
    text = unicodedata.normalize("NFKC", text)
    local, at, domain = text.rpartition("@")
    return text if has_invisible(text) or not at else f"{local}@{_ascii_domain(domain) or domain.lower()}"


def _ascii_domain(domain: str) -> str | None:
    """Returns the domain of an email address in lower case and ASCII (IDNA); None if the domain has no such form.

    Letters beyond ASCII are put into lower case by IDNA, because `str.lower` turns a final Σ into ς instead of σ. An IP
    address in brackets has several spellings. The shortest spelling is returned.
    """
    if domain.startswith("[") and domain.endswith("]"):
        try:
            return f"[{ip_address(domain[1:-1])}]"
        except ValueError:
            return None
    if domain.isascii() and "xn--" not in domain.lower():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True, std3_rules=True, transitional=False).decode()
    except (idna.IDNAError, UnicodeError):
        return None


def require_address(text: str) -> None:
    """Raises ValidationError unless `text` is a valid email address in its stored form."""
    local, _, domain = text.rpartition("@")
    if has_invisible(text):
        raise ValidationError(ADDRESS_INVISIBLE, code="invisible_characters")
    if len(local) > MAX_LOCAL_CHARS:
        raise ValidationError(LOCAL_PART_TOO_LONG, code="max_length")
    if '"' in local:
        raise ValidationError(QUOTED, code="invalid")
    if not local.isascii() or _ascii_domain(domain) is None:
        raise ValidationError(NOT_WRITABLE, code="invalid")


class AddressFormField(forms.EmailField):
    def to_python(self, value: Any) -> Any:
        return normalise_address(super().to_python(value) or "")


class AddressField(NormalisedField, models.EmailField):
    """Model field for an email address. The field normalises each value before it is stored or used in a query."""

    normalise = staticmethod(normalise_address)
    default_validators = [*models.EmailField.default_validators, require_address]

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": AddressFormField, **kwargs})


class AddressSerializerField(NormalisedSerializerField, serializers.EmailField):
    normalise = staticmethod(normalise_address)


def address_checked(name: str, field: str, *, may_be_empty: bool = False) -> models.CheckConstraint:
    """Returns a check constraint for the stored form of an email address.

    The form has only ASCII characters, no quotation marks, and a domain in lower case.
    PostgreSQL must check this form itself, because programs that write SQL bypass Django's fields.
    """
    form = rf"^[!#-?A-~]{{1,{MAX_LOCAL_CHARS}}}@[a-z0-9.:\[\]-]+$"
    condition = Q(**{f"{field}__regex": form})
    if may_be_empty:
        condition |= Q(**{field: ""})
    sentence = "An email address is stored in ASCII, without quotation marks, with its domain in lower case (IDNA)."
    return models.CheckConstraint(name=name, condition=condition, violation_error_message=sentence)
