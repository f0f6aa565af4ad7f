"""Links with which an account's owner confirms another address, or keeps the present one."""

from typing import Any

from django.conf import settings
from django.core import signing
from django.urls import reverse

from accounts.models import AddressChange
from accounts.models.address import LIFETIME

_signer = signing.TimestampSigner(salt="accounts.addresses.links", sep="~")
_objection_signer = signing.TimestampSigner(salt="accounts.addresses.links.objection", sep="~")


def context(change: AddressChange) -> dict[str, Any]:
    """Context of the mail to the new address: the link, its end, and if it asks for the password.

    The link ends with its row: when it is used, and when another address is asked for.
    """
    token = _signer.sign(change.mark)
    return {
        "link": settings.PUBLIC_URL + reverse("confirm-address", args=[token]),
        "ends_at": change.created_at + LIFETIME,
        "needs_password": change.needs_password,
    }


def objection_context(change: AddressChange) -> dict[str, Any]:
    """Context of the mail to the present address: the link that drops the change."""
    token = _objection_signer.sign(change.mark)
    return {
        "objection": settings.PUBLIC_URL + reverse("confirm-address", args=[token]),
        "knew_password": not change.needs_password,
    }


def change_of(token: str) -> AddressChange | None:
    """The change that a link confirms; None if it can no longer be confirmed."""
    change = _change_of(token, _signer)
    return change if change and change.user.is_active else None


def objected(token: str) -> AddressChange | None:
    """The change that a link drops; None if it no longer waits.

    The account may be inactive, because a second manager may confirm the change meanwhile.
    """
    return _change_of(token, _objection_signer)


def _change_of(token: str, signer: signing.TimestampSigner) -> AddressChange | None:
    try:
        mark = signer.unsign(token, max_age=LIFETIME)
    except signing.BadSignature:
        return None
    return AddressChange.objects.open().select_related("user").marked(mark)
