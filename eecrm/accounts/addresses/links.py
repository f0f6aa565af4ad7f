"""Mailed links with which an account's owner confirms a new email address, or keeps the present one."""

from typing import Any

from django.conf import settings
from django.core import signing
from django.urls import reverse

from accounts.models import AddressChange
from accounts.models.address import LIFETIME

_signer = signing.TimestampSigner(salt="accounts.addresses.links", sep="~")
_objection_signer = signing.TimestampSigner(salt="accounts.addresses.links.objection", sep="~")


def context(change: AddressChange) -> dict[str, Any]:
    """Returns the template context of the mail to the new address: the link, its expiry, and `needs_password`.

    The link names the row of the change. It ends with that row: when the link is used, or another address is asked for.
    """
    token = _signer.sign(change.mark)
    return {
        "link": settings.PUBLIC_URL + reverse("confirm-address", args=[token]),
        "ends_at": change.created_at + LIFETIME,
        "needs_password": change.needs_password,
    }


def objection_context(change: AddressChange) -> dict[str, Any]:
    """Returns the template context of the mail to the present address, with the link that drops the change."""
    token = _objection_signer.sign(change.mark)
    return {
        "objection": settings.PUBLIC_URL + reverse("confirm-address", args=[token]),
        "knew_password": not change.needs_password,
    }


def change_of(token: str) -> AddressChange | None:
    """Returns the change that a link confirms; None if the change can no longer be confirmed."""
    change = _change_of(token, _signer)
    return change if change and change.user.is_active else None


def objected(token: str) -> AddressChange | None:
    """Returns the change that a link drops; None if the change has expired, or was confirmed or dropped.

    The account may be inactive: its owner can still object, because a second manager could confirm the change.
    """
    return _change_of(token, _objection_signer)


def _change_of(token: str, signer: signing.TimestampSigner) -> AddressChange | None:
    try:
        mark = signer.unsign(token, max_age=LIFETIME)
    except signing.BadSignature:
        return None
    return AddressChange.objects.open().select_related("user").marked(mark)
