"""The endpoint `{object}/access/`: the actions that an account may do with an object, and why (`api.md`).

The account is the caller's own or, for management and auditors, another account.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import Http404
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access import policy
from access.database import as_login_role
from access.explanations import explained
from access.permissions import Refused
from access.policy import Role, Scope
from api.requests.problems import BadQuery
from api.resources.filters import refuse_unknown
from api.resources.views import ResourceViewSet

_AS = "as"


class ObjectReferenceSerializer(serializers.Serializer):
    """The object on which the actions would be done."""

    type = serializers.ChoiceField(choices=list(settings.RESOURCES))
    id = serializers.IntegerField()


class AllowedActionSerializer(serializers.Serializer):
    """One action, and the rule that allows or refuses it."""

    action = serializers.CharField(help_text="The policy's word, or `create_…` of what hangs on the object.")
    allowed = serializers.BooleanField()
    rule = serializers.CharField(help_text="What allows it or refuses it: the `rule` of a 403 or 409.")
    reason = serializers.CharField(help_text="The same as a sentence.")
    change_reason_required = serializers.BooleanField(help_text="Whether it takes an `X-Change-Reason`.")

    field_docs = {
        "action": ("The policy's word, or `create_…` of what hangs on the object.", "update"),
        "rule": ("What allows it or refuses it: the `rule` of a 403 or 409.", "client.update.sales.all"),
        "reason": ("The same as a sentence.", "Your role may update any client."),
        "change_reason_required": ("Whether it takes an `X-Change-Reason`.", False),
    }


class AccessSerializer(serializers.Serializer):
    """The actions that an account may or may not do with an object at this moment."""

    object = ObjectReferenceSerializer()
    account = serializers.CharField(help_text="Whom it is about.")
    role = serializers.ChoiceField(choices=Role.choices)
    visible = serializers.BooleanField(help_text="False for an object that this account doesn't see; only with `as`.")
    actions = AllowedActionSerializer(many=True)

    field_docs = {"account": ("Whom it is about.", "oc-salesman"), "role": ("", "sales")}


class ExplainedViewSet(ResourceViewSet):
    """Resource with the endpoint `access/`: which actions an account may do on an object, and which rules say so."""

    @extend_schema(
        responses=AccessSerializer,
        parameters=[
            OpenApiParameter(
                _AS,
                str,
                description="The username of the account to ask about. For management and auditors; it writes nothing.",
                examples=[OpenApiExample("account", "oc-salesman")],
            )
        ],
    )
    def access(self, request: Request, **kwargs: Any) -> Response:
        """Lists the actions on an object: may the caller do each at this moment, and which rule decides."""
        asked = {"pk", "status"} & {"pk", *(field.name for field in self.model._meta.concrete_fields)}
        row = self.get_queryset().only(*asked).filter(pk=kwargs["pk"]).first()
        if row is None:
            raise Http404
        user: Any = request.user
        is_about_other = _AS in request.query_params
        if is_about_other:
            self._refuse_questions_about_others()
        refuse_unknown(request, (_AS,))
        if is_about_other:
            user = _account_asked_about(request.query_params[_AS])
        visible = not is_about_other or type(row)._default_manager.visible_to(user).filter(pk=row.pk).exists()
        answers = explained(user, row, about=user.get_username() if is_about_other else "")
        return Response(
            {
                "object": {"type": self.resource, "id": row.pk},
                "account": user.get_username(),
                "role": user.effective_role,
                "visible": visible,
                "actions": [answer._asdict() for answer in answers],
            }
        )

    def _refuse_questions_about_others(self) -> None:
        rule = policy.rule(self.request.user, "access", "explain")
        if rule.scope is not Scope.ALL:
            raise Refused(rule)


def _account_asked_about(username: str) -> Any:
    """Returns the account with its groups and its leave covers (the absent colleagues whom it replaces).

    The policy needs the groups and leave covers to decide as it would for a request of this account. All other queries
    still run in the database role of the real caller. Raises BadQuery for an unknown or inactive account.
    """
    users: Any = get_user_model()._default_manager
    with as_login_role():  # the login role may read the groups and leave covers of every account
        user = users.filter(username=users.model.normalize_username(username)).first()
        if user is not None:
            _ = user.group_names, user.covering
    if user is None:
        raise BadQuery({_AS: ["There is no account with this username."]})
    if not user.is_active:
        raise BadQuery({_AS: [f"The account {user} isn't active: it may do nothing."]})
    return user
