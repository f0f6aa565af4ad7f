"""Links with which the owner of an account confirms another address of it."""

from typing import Any

from django.conf import settings
from django.core import signing
from django.urls import reverse

from accounts.models import AddressChange
from accounts.models.address import LIFETIME

_signer = signing.TimestampSigner(salt="accounts.address_links", sep="~")


def context(change: AddressChange) -> dict[str, Any]:
    """The link, and until when it works, for the mail that goes to the address itself.

    The link ends with the row that it names: with its use, and with another address that is asked for.
    """
    token = _signer.sign(str(change.pk))
    return {
        "link": settings.PUBLIC_URL + reverse("confirm-address", args=[token]),
        "ends_at": change.created_at + LIFETIME,
        "needs_password": change.needs_password,
    }


def change_of(token: str) -> AddressChange | None:
    """The change that a link names, if it may still be confirmed."""
    try:
        key = int(_signer.unsign(token, max_age=LIFETIME))
    except (signing.BadSignature, ValueError):
        return None
    return AddressChange.objects.open().select_related("user").filter(pk=key, user__is_active=True).first()
