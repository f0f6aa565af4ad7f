"""Views of the caller's profile and permissions, and of the accounts that clients and events can be assigned to."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from access import policy
from accounts.login.authentication import account_of
from accounts.login.credentials import count_own_change
from accounts.models import User
from accounts.serializers import ContactSerializer, OwnPermissionsSerializer, ProfileSerializer
from api.resources.filters import refuse_unknown
from api.resources.pagination import PARAMETERS, QuerySetSource, page
from api.resources.serializers import differs


class ProfileViewSet(GenericViewSet):
    """Views to read and change the caller's own profile."""

    resource = "profile"
    serializer_class = ProfileSerializer

    @extend_schema(operation_id="me_get", tags=["me"], summary="Read one's own profile")
    def retrieve(self, request: Request) -> Response:
        """Your own account: key, username, names, email address and role."""
        return Response(self._representation(account_of(request)))

    @extend_schema(operation_id="me_update", tags=["me"], summary="Change one's own profile")
    def partial_update(self, request: Request) -> Response:
        """Change your own names, at most a hundred times a day. Nothing else can be changed here."""
        serializer = self.get_serializer(request.user, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        account = account_of(request)
        if any(differs(account, name, value) for name, value in serializer.validated_data.items()):
            # The audit trail keeps each name, and managers get a mail about the newest name.
            count_own_change(request._request, account, "own_name")
            serializer.save()
        return Response(self._representation(account))

    def _representation(self, user: User) -> dict[str, Any]:
        return {name: getattr(user, name) for name in ProfileSerializer.Meta.fields}


class EffectiveMatrixViewSet(GenericViewSet):
    """View of the caller's own permissions."""

    resource = "profile"
    serializer_class = OwnPermissionsSerializer

    @extend_schema(operation_id="me_permissions", tags=["me"], summary="Read one's own permissions")
    def retrieve(self, request: Request) -> Response:
        """Your permissions: none, own or all for each resource and action.

        With a leave cover in effect, *own* includes the rows of the colleague on leave.
        """
        user = account_of(request)
        covers = {
            "covering": user.covers.current().naming("colleague"),
            "covered_by": user.covered_by.current().naming("substitute"),
        }
        return Response({"role": policy.role_of(user), "permissions": policy.matrix_of(user)} | covers)


class ContactViewSet(GenericViewSet):
    """The active accounts that a client or an event can be assigned to."""

    resource = "contact"
    queryset = User.objects.none()
    serializer_class = ContactSerializer
    ordering_fields = ("id",)
    default_ordering = "id"

    def list(self, request: Request) -> Response:
        refuse_unknown(request, PARAMETERS)
        rows = QuerySetSource(self.get_queryset(), [ContactSerializer.row("", masked=False)])
        return Response(page(rows, request, User, allowed=self.ordering_fields, default=self.default_ordering))


@extend_schema_view(
    list=extend_schema(operation_id="sales_contacts_list", tags=["contacts"], summary="List sales contacts")
)
class SalesContactViewSet(ContactViewSet):
    """The active salespeople that a client can be assigned to."""

    queryset = User.objects.sales_contacts()


@extend_schema_view(
    list=extend_schema(operation_id="support_contacts_list", tags=["contacts"], summary="List support contacts")
)
class SupportContactViewSet(ContactViewSet):
    """The active support staff that an event can be assigned to."""

    queryset = User.objects.support_contacts()
