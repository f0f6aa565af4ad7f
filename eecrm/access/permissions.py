"""Permission classes of Django REST framework that read the policy table."""

from typing import TYPE_CHECKING, Any, Self

from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.request import Request

from access.codenames import role_group
from access.policy import Caller, Role, Rule, Scope, role_of
from access.querysets import permits, resource_of
from access.request_rules import rule_for

if TYPE_CHECKING:  # at run time this import would be a cycle: rest_framework.views imports this module
    from rest_framework.views import APIView

# Maps a viewset's action to the policy table's action if the names differ, for example `destroy` -> `delete`.
_ACTIONS = {"partial_update": "update", "destroy": "delete", "history": "retrieve", "access": "retrieve"}


class Refused(PermissionDenied):
    """Refusal with HTTP status 403. It names the rule that refused the request."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule.sentence)
        self.rule = rule.id


def policy_action(action: str) -> str:
    """Maps a viewset's action to the policy table's action, for example `destroy` -> `delete`."""
    return _ACTIONS.get(action, action)


class PolicyPermission(BasePermission):
    """Checks the view's `resource` and `action` against the policy table.

    A view without these two attributes refuses every request.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not request.user.is_authenticated:
            raise NotAuthenticated
        action = getattr(view, "action", None)
        if action == "metadata" or (action is None and request.method not in view.allowed_methods):
            return True  # OPTIONS only lists the view's methods; a method that the view lacks is answered with 405 by the view
        rule = rule_for(request, getattr(view, "resource", ""), policy_action(action or ""))
        if rule.scope is Scope.NONE:
            # If the URL names a row that the caller may not see, the answer is 404: a 403 would reveal that the row exists.
            if hasattr(view, "require_visible"):
                view.require_visible()
            raise Refused(rule)
        return True

    def has_object_permission(self, request: Request, view: "APIView", obj: Any) -> bool:
        action = policy_action(view.action)  # type: ignore[attr-defined]  # only viewsets check objects
        if not permits(rule_for(request, resource_of(type(obj)), action), obj):
            raise Refused(rule_for(request, view.resource, action))  # type: ignore[attr-defined]  # viewset attribute
        return True


def belongs_to_groups(user: Caller, *names: str) -> bool:
    """True if the account belongs to at least one of these groups.

    The group of the account's role, such as `Sales`, counts too. A superuser belongs to every group. In an API request
    this check runs no query, because authentication has loaded the groups.
    """
    role = role_of(user)
    if role == Role.SUPERUSER:
        return True
    if not role:
        return False
    return not {role_group(role), *user.group_names}.isdisjoint(names)  # type: ignore[union-attr]  # not AnonymousUser


class InGroups(BasePermission):
    """Allows only members of some groups: `permission_classes = [PolicyPermission, InGroups.named("Night shift")]`.

    This class restricts what the policy table allows, and never extends it. Without group names it allows only
    superusers.
    """

    names: tuple[str, ...] = ()

    @classmethod
    def named(cls, *names: str) -> type[Self]:
        return type("InGroups", (cls,), {"names": names})

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if belongs_to_groups(request.user, *self.names):
            return True
        refusal = PermissionDenied(f"Only members of {' or '.join(self.names) or 'no group'} may do this.")
        refusal.rule = f"group.{'|'.join(self.names)}"  # type: ignore[attr-defined]  # the 403 answer names this rule
        raise refusal


class Public(AllowAny):
    """Permission class that allows anonymous requests.

    Only login, refresh, logout and the published documentation use this class.
    """


def public(view: Any) -> Any:
    """Decorator for a plain view (not a viewset) that needs no login.

    A system check (access.E001) refuses plain views without this decorator.
    """
    view.is_public = True
    return view
