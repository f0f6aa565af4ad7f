"""Views to log in, refresh and log out, and views of the caller's own logins and password."""

import logging
from typing import Any
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import transaction
from django.db.models import Q
from django.http import Http404
from django.utils.decorators import method_decorator
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import APIException, ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from access.database import leave
from access.permissions import Public
from access.security_log import security_event
from accounts.login import tokens
from accounts.login.authentication import account_of, login_of
from accounts.login.credentials import account_for, count_own_change, is_own_password, require_second_factor
from accounts.login.tokens import Claims
from accounts.models import SESSION_FIELDS, ExternalIdentity, TokenSession, User, note_place
from accounts.serializers import (
    LoginSerializer,
    PasswordChangeSerializer,
    RefreshSerializer,
    TokenPairSerializer,
    TokenSessionSerializer,
)
from api.requests.bounds import MAX_CREDENTIAL_BYTES
from api.requests.client_address import place_of
from api.requests.problems import from_exception
from api.resources.filters import refuse_unknown
from api.resources.pagination import MAX_PAGE_SIZE


def _client_address(request: Request) -> str | None:
    return request._request.client_address  # type: ignore[attr-defined]  # RequestMiddleware sets this attribute


class _PublicTokenViewSet(GenericViewSet):
    holds_tokens = True
    max_body_bytes = MAX_CREDENTIAL_BYTES
    authentication_classes: list[Any] = []
    permission_classes = [Public]

    def get_authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


# Without `non_atomic_requests`, a refused login would roll back the counts of failed logins.
@method_decorator(transaction.non_atomic_requests, name="dispatch")
class LoginViewSet(_PublicTokenViewSet):
    """View to log in."""

    serializer_class = LoginSerializer

    @extend_schema(operation_id="auth_login", tags=["auth"], summary="Log in", responses={200: TokenPairSerializer})
    def create(self, request: Request) -> Response:
        """Exchange a username and a password for an access token (10 minutes) and a refresh token (14 days).

        If the account has a second factor, send its code as `otp`. Without the code the answer is 401 with
        `otp_required`. With a wrong code the answer is 401 with `otp_invalid`. If the account must have a second
        factor but has none, the answer is 401 with `second_factor_missing`.
        """
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        name, password, otp = (serializer.validated_data.get(field) for field in ("username", "password", "otp"))
        user = account_for(request._request, username=name, password=password)
        if user is None:
            raise tokens.LoginRefused
        require_second_factor(request._request, user, otp)
        pair = tokens.log_in(user, user_agent=request.META.get("HTTP_USER_AGENT", ""), address=_client_address(request))
        return Response(pair._asdict())


class RefreshViewSet(_PublicTokenViewSet):
    """View to exchange a refresh token for new tokens."""

    serializer_class = RefreshSerializer

    @extend_schema(
        operation_id="auth_refresh", tags=["auth"], summary="Refresh tokens", responses={200: TokenPairSerializer}
    )
    def create(self, request: Request) -> Any:
        """Exchange a refresh token for new tokens.

        You can repeat the exchange for 30 seconds, for example after a lost response. A later use of the same refresh
        token ends the whole login.
        """
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        pair = tokens.refresh(serializer.validated_data["refresh"], address=_client_address(request))
        if isinstance(pair, tokens.Reused):
            security_event("authn_token_reuse", request._request, account=pair.user)
            # The refusal is returned and not raised, because an exception would roll back the end of the login.
            refusal = tokens.InvalidToken()
            # The attribute becomes the header `WWW-Authenticate`.
            # Django REST framework sets the attribute only on errors that a view raises.
            refusal.auth_header = self.get_authenticate_header(request)  # type: ignore[attr-defined]  # as DRF does
            return from_exception(request._request, refusal)
        return Response(pair._asdict())


class LogoutViewSet(_PublicTokenViewSet):
    """View to log out on this device.

    The refresh token identifies the login, because the access token may have expired.
    """

    serializer_class = RefreshSerializer

    @extend_schema(operation_id="auth_logout", tags=["auth"], summary="Log out", responses={204: None})
    def destroy(self, request: Request) -> Response:
        """End the login that a refresh token belongs to. Its access tokens are refused from the next request on.

        Send no access token: the endpoint doesn't need one and ignores it. The answer is the same if the login has
        ended already.
        """
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        account_id = tokens.log_out(serializer.validated_data["refresh"])
        request._request.actor_id = account_id  # type: ignore[attr-defined]  # the request's log line shows the account
        security_event("authn_token_revoked", request._request, level=logging.INFO)
        return Response(status=204)


class LogoutAllViewSet(GenericViewSet):
    """View to log out on every device."""

    resource, ends_logins = "session", True
    serializer_class = None

    @extend_schema(
        operation_id="auth_logout_everywhere",
        tags=["auth"],
        summary="Log out everywhere",
        request=None,
        responses={204: None},
    )
    def destroy(self, request: Request) -> Response:
        """End every login of your account.

        The account's tokens, and its sessions of the admin site, are refused from the next request on.
        """
        account = account_of(request)
        leave(user_id=account.pk)  # only the login role (`eecrm_app`) may write `logins_ended`
        User.objects.filter(pk=account.pk).end_logins()
        security_event("authn_token_revoked", request._request, level=logging.INFO, everywhere=True)
        return Response(status=204)


class TokenSessionViewSet(GenericViewSet):
    """Views to list the caller's own logins, and to end one of them."""

    resource, ends_logins = "session", True
    queryset = TokenSession.objects.none()
    serializer_class = TokenSessionSerializer

    def get_queryset(self) -> Any:
        return TokenSession.objects.open().filter(user=account_of(self.request)).only(*SESSION_FIELDS)

    @extend_schema(operation_id="me_sessions_list", tags=["me"], summary="List one's own logins")
    def list(self, request: Request) -> Response:
        """Your open logins: at most 200, the newest first."""
        refuse_unknown(request, ())
        # The list marks the login of this request as current. A token of the identity provider belongs to no login.
        current = request.auth.session if isinstance(request.auth, Claims) else None
        logins = self.get_queryset().order_by("-created_at", "id").annotate(is_current=Q(pk=current))[:MAX_PAGE_SIZE]
        return Response({"next": None, "previous": None, "results": self.get_serializer(logins, many=True).data})

    @extend_schema(
        operation_id="me_sessions_delete", tags=["me"], summary="End one of one's own logins", responses={204: None}
    )
    def destroy(self, request: Request, pk: UUID) -> Response:
        """End one of your logins: the tokens of that device are refused from the next request on."""
        if not self.get_queryset().filter(pk=pk).revoke():
            raise Http404
        security_event("authn_token_revoked", request._request, level=logging.INFO, session=str(pk))
        return Response(status=204)


class PasswordElsewhere(APIException):
    status_code = 409
    default_detail = "This account logs in with its identity provider: it has no password here."
    default_code = "conflict"
    # A trigger enforces this rule for all other code that writes a password.
    rule = "user_password_elsewhere"


class PasswordViewSet(GenericViewSet):
    """View to change the caller's own password."""

    max_body_bytes = MAX_CREDENTIAL_BYTES
    resource, ends_logins = "profile", True
    serializer_class = PasswordChangeSerializer
    conflicts = {"update": (PasswordElsewhere.rule,)}

    @extend_schema(
        operation_id="me_change_password", tags=["me"], summary="Change one's own password", responses={204: None}
    )
    def update(self, request: Request) -> Any:
        """Change your own password. Every login of the account ends, including the login of this request."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        old, new = serializer.validated_data["old_password"], serializer.validated_data["new_password"]
        account = account_of(request)
        leave(user_id=account.pk)  # only the login role (`eecrm_app`) may read passwords
        user = User.objects.defer(None).get(pk=account.pk)
        if ExternalIdentity.objects.filter(user=user).exists():
            raise PasswordElsewhere
        if not is_own_password(request._request, user, old, through=login_of(request.auth, account)):
            wrong = ValidationError({"old_password": [ErrorDetail("This is not your password.", code="wrong")]})
            return from_exception(request._request, wrong)
        try:
            validate_password(new, user)
        except DjangoValidationError as error:
            raise ValidationError({"new_password": error.messages}) from None
        count_own_change(request._request, user, "own_password_change")
        user.set_password(new)
        user.save(update_fields=["password"])  # triggers end all logins and delete all known places
        note_place(user, place_of(request._request))
        security_event("authn_password_change", request._request, level=logging.INFO, account=user.pk)
        return Response(status=204)
