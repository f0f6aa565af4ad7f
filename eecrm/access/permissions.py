"""Django REST framework permission classes that read the policy table."""

from typing import TYPE_CHECKING, Any, Self

from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.request import Request

from access.codenames import role_group
from access.policy import Caller, Role, Rule, Scope, role_of
from access.querysets import permits, resource_of
from access.request_rules import rule_for

if TYPE_CHECKING:  # at run time it would be a cycle: rest_framework.views imports this module
    from rest_framework.views import APIView

# Action of a viewset -> action of the policy table, if the names differ.
_ACTIONS = {"partial_update": "update", "destroy": "delete", "history": "retrieve", "access": "retrieve"}


class Refused(PermissionDenied):
    """403 with the rule that refused the request."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule.sentence)
        self.rule = rule.id


def policy_action(action: str) -> str:
    """Action of the policy table for an action of a viewset."""
    return _ACTIONS.get(action, action)


class PolicyPermission(BasePermission):
    """Checks the view's `resource` and `action` against the policy table. A view without them refuses every request."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not request.user.is_authenticated:
            raise NotAuthenticated
        action = getattr(view, "action", None)
        if action == "metadata" or (action is None and request.method not in view.allowed_methods):
            return True  # no action runs: OPTIONS lists the methods, and any other method is answered with 405
        rule = rule_for(request, getattr(view, "resource", ""), policy_action(action or ""))
        if rule.scope is Scope.NONE:
            # A row in the path that the caller may not see is a 404. A 403 would reveal that the row exists.
            if hasattr(view, "require_visible"):
                view.require_visible()
            raise Refused(rule)
        return True

    def has_object_permission(self, request: Request, view: "APIView", obj: Any) -> bool:
        action = policy_action(view.action)  # type: ignore[attr-defined]  # only viewsets have objects here
        if not permits(rule_for(request, resource_of(type(obj)), action), obj):
            raise Refused(rule_for(request, view.resource, action))  # type: ignore[attr-defined]  # viewsets have it
        return True


def belongs_to_groups(user: Caller, *names: str) -> bool:
    """True if the account is in at least one of these groups.

    The group of the account's role (`Sales`) counts too. A superuser is in every group. In an API request this runs no
    query, because authentication has loaded the groups.
    """
    role = role_of(user)
    if role == Role.SUPERUSER:
        return True
    if not role:
        return False
    return not {role_group(role), *user.group_names}.isdisjoint(names)  # type: ignore[union-attr]  # not anonymous


class InGroups(BasePermission):
    """Allows members of some groups only: `permission_classes = [PolicyPermission, InGroups.named("Night shift")]`.

    It restricts what the policy allows and never extends it. Without names it allows superusers only.
    """

    names: tuple[str, ...] = ()

    @classmethod
    def named(cls, *names: str) -> type[Self]:
        return type("InGroups", (cls,), {"names": names})

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if belongs_to_groups(request.user, *self.names):
            return True
        refusal = PermissionDenied(f"Only members of {' or '.join(self.names) or 'no group'} may do this.")
        refusal.rule = f"group.{'|'.join(self.names)}"  # type: ignore[attr-defined]  # Refused has this attribute too
        raise refusal


class Public(AllowAny):
    """Allows anonymous requests. Only login, refresh, logout and the published documentation use it."""


def public(view: Any) -> Any:
    """Decorator for a plain view that needs no login. A system check refuses plain views without it (access.E001)."""
    view.is_public = True
    return view
