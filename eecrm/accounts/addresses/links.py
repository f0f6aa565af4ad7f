"""Mailed links with which an account's owner confirms a change of the account's email address, or drops the change."""

from typing import Any

from django.conf import settings
from django.core import signing
from django.urls import reverse

from accounts.models import AddressChange
from accounts.models.address import LIFETIME

_signer = signing.TimestampSigner(salt="accounts.addresses.links", sep="~")
_objection_signer = signing.TimestampSigner(salt="accounts.addresses.links.objection", sep="~")


def context(change: AddressChange) -> dict[str, Any]:
    """Returns the values for the mail to the new email address: the link, its expiry, and `needs_password`.

    `needs_password` is True if the page behind the link asks for a password. The link becomes invalid when the row of
    `AddressChange` is deleted, that is, after the link was used or another address was requested.
    """
    token = _signer.sign(change.mark)
    return {
        "link": settings.PUBLIC_URL + reverse("confirm-address", args=[token]),
        "ends_at": change.created_at + LIFETIME,
        "needs_password": change.needs_password,
    }


def objection_context(change: AddressChange) -> dict[str, Any]:
    """Returns the template context of the mail to the present email address. The link of this mail drops the change."""
    token = _objection_signer.sign(change.mark)
    return {
        "objection": settings.PUBLIC_URL + reverse("confirm-address", args=[token]),
        "knew_password": not change.needs_password,
    }


def change_of(token: str) -> AddressChange | None:
    """Returns the requested change of an email address for the token of a confirmation link.

    Returns None if the change can no longer be confirmed.
    """
    change = _change_of(token, _signer)
    return change if change and change.user.is_active else None


def objected(token: str) -> AddressChange | None:
    """Finds the requested change of an email address by the token in the link with which the owner refuses the change.

    Returns None if the change has expired, or was confirmed or refused before. The owner of an inactive account can
    refuse the change, too. Otherwise two managers could agree on another address for the account.
    """
    return _change_of(token, _objection_signer)


def _change_of(token: str, signer: signing.TimestampSigner) -> AddressChange | None:
    try:
        mark = signer.unsign(token, max_age=LIFETIME)
    except signing.BadSignature:
        return None
    return AddressChange.objects.open().select_related("user").marked(mark)
