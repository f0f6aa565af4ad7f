"""Links with which the owner of an account confirms another address of it, or keeps the one that it has."""

from typing import Any

from django.conf import settings
from django.core import signing
from django.urls import reverse

from accounts.models import AddressChange
from accounts.models.address import LIFETIME

_signer = signing.TimestampSigner(salt="accounts.address_links", sep="~")
_objection_signer = signing.TimestampSigner(salt="accounts.address_links.objection", sep="~")


def context(change: AddressChange) -> dict[str, Any]:
    """The link, and until when it works, for the mail that goes to the address itself.

    The link ends with the row that it names: with its use, and with another address that is asked for.
    """
    token = _signer.sign(change.mark)
    return {
        "link": settings.PUBLIC_URL + reverse("confirm-address", args=[token]),
        "ends_at": change.created_at + LIFETIME,
        "needs_password": change.needs_password,
    }


def objection_context(change: AddressChange) -> dict[str, Any]:
    """The link that drops the change, for the mail that goes to the address that the account has."""
    token = _objection_signer.sign(change.mark)
    return {
        "objection": settings.PUBLIC_URL + reverse("confirm-address", args=[token]),
        "knew_password": not change.needs_password,
    }


def change_of(token: str) -> AddressChange | None:
    """The change that a link names, if it may still be confirmed."""
    change = _change_of(token, _signer)
    return change if change and change.user.is_active else None


def objected(token: str) -> AddressChange | None:
    """The change that a link drops, if it still waits. Of an inactive account too: a second manager may confirm it meanwhile."""
    return _change_of(token, _objection_signer)


def _change_of(token: str, signer: signing.TimestampSigner) -> AddressChange | None:
    try:
        mark = signer.unsign(token, max_age=LIFETIME)
    except signing.BadSignature:
        return None
    return AddressChange.objects.open().select_related("user").marked(mark)
