"""The policy table as Django REST framework's permission classes."""

from typing import TYPE_CHECKING, Any, Self

from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.request import Request

from access.codenames import role_group
from access.policy import Caller, Role, Rule, Scope, role_of
from access.querysets import permits, resource_of
from access.request_rules import rule_for

if TYPE_CHECKING:  # rest_framework.views reads the default permission class: this module
    from rest_framework.views import APIView

# The viewset's words for what the matrix calls otherwise.
_ACTIONS = {"partial_update": "update", "destroy": "delete", "history": "retrieve", "access": "retrieve"}


class Refused(PermissionDenied):
    """403 that tells the rule that decided."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule.sentence)
        self.rule = rule.id


def policy_action(action: str) -> str:
    """The matrix's word for an action of a viewset."""
    return _ACTIONS.get(action, action)


class PolicyPermission(BasePermission):
    """Asks the table with the view's `resource` and `action`. A view that names neither is closed."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not request.user.is_authenticated:
            raise NotAuthenticated
        action = getattr(view, "action", None)
        if action == "metadata" or (action is None and request.method not in view.allowed_methods):
            return True  # nothing will run: OPTIONS tells the methods, and what is none of them is a 405
        rule = rule_for(request, getattr(view, "resource", ""), policy_action(action or ""))
        if rule.scope is Scope.NONE:
            # 403 would tell that an invisible row exists: what the path names must be visible, else 404.
            if hasattr(view, "require_visible"):
                view.require_visible()
            raise Refused(rule)
        return True

    def has_object_permission(self, request: Request, view: "APIView", obj: Any) -> bool:
        action = policy_action(view.action)  # type: ignore[attr-defined]  # only viewsets have objects here
        if not permits(rule_for(request, resource_of(type(obj)), action), obj):
            raise Refused(rule_for(request, view.resource, action))  # type: ignore[attr-defined]  # as above
        return True


def belongs_to_groups(user: Caller, *names: str) -> bool:
    """Whether the account is in one of these groups at least. Costs no SQL in a request of the API.

    Its role's group (`Sales`) counts; a superuser, who may do everything, is in every group.
    """
    role = role_of(user)
    if role == Role.SUPERUSER:
        return True
    return bool(role) and not {role_group(role), *user.group_names}.isdisjoint(names)  # type: ignore[union-attr]  # not anonymous


class InGroups(BasePermission):
    """Members of some groups only: `permission_classes = [PolicyPermission, InGroups.named("Night shift")]`.

    It closes further what the policy opens. Without names it is closed to all but superusers.
    """

    names: tuple[str, ...] = ()

    @classmethod
    def named(cls, *names: str) -> type[Self]:
        return type("InGroups", (cls,), {"names": names})

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if belongs_to_groups(request.user, *self.names):
            return True
        refusal = PermissionDenied(f"Only members of {' or '.join(self.names) or 'no group'} may do this.")
        refusal.rule = f"group.{'|'.join(self.names)}"  # type: ignore[attr-defined]  # as Refused has it
        raise refusal


class Public(AllowAny):
    """No account needed: login, refresh, health and the published documentation, nothing else."""
