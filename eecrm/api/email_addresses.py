"""Email addresses in one form, so that one mailbox is one address: NFKC, and the domain as IDNA has it on the wire.

What is stored is ASCII: PostgreSQL can check that, and then ignoring case is all that a comparison takes (docs/adr/0022).
"""

import unicodedata
from ipaddress import ip_address
from typing import Any

import idna
from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from rest_framework import serializers

from api.person_names import require_length
from api.spelling import has_invisible, trim

MAX_LOCAL_CHARS = 64  # RFC 5321, section 4.5.3.1.1
_MAX_CHARS = 320  # beyond it nothing is normalised, as it is refused anyway

INVISIBLE = "This address has characters that nobody sees: type it again."
TOO_LONG = f"The part of an address before the @ has at most {MAX_LOCAL_CHARS} characters."
QUOTED = "Write the part of an address before the @ without quotation marks."  # "ann"@… and ann@… are one mailbox (RFC 5321)
NOT_WRITABLE = "Mail can't be sent to this address: before the @ it takes plain letters, and its domain must be valid (IDNA)."


def normalise_address(text: str) -> str:
    """The one form of an address. What is none, or has no such form, comes back nearly as it was, to be refused."""
    text = trim(text)
    if len(text) > _MAX_CHARS:
        return text
    text = unicodedata.normalize("NFKC", text)
    local, at, domain = text.rpartition("@")
    return text if has_invisible(text) or not at else f"{local}@{_on_the_wire(domain) or domain.lower()}"


def _on_the_wire(domain: str) -> str | None:
    """The domain in lower case and ASCII; None where it has no such form. IDNA makes lower case in its own way: of Σ always σ."""
    if domain.startswith("[") and domain.endswith("]"):  # a number in place of a name, which can be spelt in many ways, too
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
    """Raises ValidationError for an address, in its one form, that none is."""
    local, _, domain = text.rpartition("@")
    if has_invisible(text):
        raise ValidationError(INVISIBLE, code="invisible_characters")
    if len(local) > MAX_LOCAL_CHARS:
        raise ValidationError(TOO_LONG, code="max_length")
    if '"' in local:
        raise ValidationError(QUOTED, code="invalid")
    if not local.isascii() or _on_the_wire(domain) is None:
        raise ValidationError(NOT_WRITABLE, code="invalid")


class AddressFormField(forms.EmailField):
    def to_python(self, value: Any) -> Any:
        return _normalised(super().to_python(value))


class AddressField(models.EmailField):
    """An email address, stored and looked for in its one form whichever way it came in."""

    default_validators = [*models.EmailField.default_validators, require_address]

    def to_python(self, value: Any) -> Any:
        return _normalised(super().to_python(value))

    def get_prep_value(self, value: Any) -> Any:
        return _normalised(super().get_prep_value(value))

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": AddressFormField, **kwargs})


class AddressSerializerField(serializers.EmailField):
    """The same in a body."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        require_length(self, data)
        return super().run_validation(_normalised(data))


def _normalised(value: Any) -> Any:
    return normalise_address(value) if isinstance(value, str) else value


def address_checked(name: str, field: str, *, may_be_empty: bool = False) -> models.CheckConstraint:
    """The form in PostgreSQL, for whoever writes SQL: ASCII, nothing that is quoted, and a domain in lower case."""
    form = rf"^[!#-?A-~]{{1,{MAX_LOCAL_CHARS}}}@[a-z0-9.:\[\]-]+$"
    condition = Q(**{f"{field}__regex": form})
    if may_be_empty:
        condition |= Q(**{field: ""})
    sentence = "An email address is stored in ASCII, without quotation marks, with its domain in lower case (IDNA)."
    return models.CheckConstraint(name=name, condition=condition, violation_error_message=sentence)
