"""Lets users change their own email address: with their password, and a link that is mailed to the new address.

The API and the admin site's page (`accounts.admin_login.own_address`) use this module. Users have no other way to
change their own email address (rule `address_own`).
"""

import logging
from typing import Any

from django.http import HttpRequest
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from access.database import leave
from access.security_log import security_event
from accounts.login.authentication import account_of, login_of
from accounts.login.credentials import count_own_change, is_own_password
from accounts.login.views import PasswordElsewhere
from accounts.models import AddressChange, ExternalIdentity, User
from accounts.models.address import LIFETIME
from accounts.serializers import AddressRequestSerializer, PendingAddressSerializer
from api.requests.bounds import MAX_CREDENTIAL_BYTES
from api.requests.problems import from_exception


class Unchanged(Exception):
    """Raised if the requested email address is already the account's confirmed email address."""

    def __str__(self) -> str:
        return "This is your address already."


def ask(request: HttpRequest, user: User, address: str) -> AddressChange:
    """Stores a new email address until it is confirmed. Replaces an address that the user requested before.

    The caller has checked the user's password. Runs in PostgreSQL's login role (`eecrm_app`).
    Raises Unchanged if the account has this email address already, TooManyRequests after too many changes in a day, and
    DatabaseError if a trigger refuses the address.
    """
    if user.email_confirmed_at and user.email.lower() == address.lower():
        raise Unchanged
    count_own_change(request, user, "address_change")
    AddressChange.objects.filter(user=user).delete()
    change = AddressChange.objects.create(user=user, address=address)
    change.refresh_from_db(fields=["created_at"])
    security_event("user_updated", request, level=logging.INFO, account=user.pk, asked=["email"])
    return change


class OwnAddressViewSet(GenericViewSet):
    """Endpoint on which callers ask for another email address of their own account."""

    resource = "profile"
    serializer_class = AddressRequestSerializer
    max_body_bytes = MAX_CREDENTIAL_BYTES
    conflicts = {"update": (PasswordElsewhere.rule, "address_asked_too_often")}

    @extend_schema(
        operation_id="me_change_email",
        tags=["me"],
        summary="Ask for another email address",
        responses={202: PendingAddressSerializer},
    )
    def update(self, request: Request) -> Any:
        """Ask for a new email address of your account. The new address is mailed a link that confirms it.

        The old address is mailed a notice. Until the confirmation, links to choose a password go to the old address.
        A second request replaces the first.
        """
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        address, account = serializer.validated_data["email"], account_of(request)
        leave(user_id=account.pk)  # only the login role (`eecrm_app`) may read passwords
        user = User.objects.defer(None).select_for_update(of=("self",), no_key=True).get(pk=account.pk)
        if ExternalIdentity.objects.filter(user=user).exists():
            raise PasswordElsewhere
        if not is_own_password(
            request._request, user, serializer.validated_data["password"], through=login_of(request.auth, account)
        ):
            wrong = ValidationError({"password": [ErrorDetail("This is not your password.", code="wrong")]})
            return from_exception(request._request, wrong)
        try:
            change = ask(request._request, user, address)
        except Unchanged as error:
            raise ValidationError({"email": [ErrorDetail(str(error), code="unchanged")]}) from None
        pending = {"email": change.address, "expires_at": change.created_at + LIFETIME}
        return Response(PendingAddressSerializer(pending).data, status=202)
