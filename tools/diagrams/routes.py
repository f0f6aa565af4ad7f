"""What the picture of the endpoints tells of a route: its methods, and whom the policy lets use each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from access import checks, policy
from access.permissions import Public, policy_action
from access.policy import MATRIX_ROLES, Scope
from api.resources.views import ResourceViewSet

ROOT = "api/v1/"


@dataclass(frozen=True)
class Line:
    """One method of one path. `scopes` in the order of the policy's roles; None where nobody is asked who they are."""

    method: str
    path: str
    action: str
    scopes: tuple[Scope, ...] | None
    is_condition: bool = False  # an action that a method asks about only for certain changes


@dataclass
class Group:
    title: str
    lines: list[Line] = field(default_factory=list)


def groups() -> list[Group]:
    """Every route of the project, with the actions that depend on what a request changes after those of their resource."""
    found: dict[str, Group] = {}
    for path, pattern in checks.routes():
        if path.split("/")[0] == "admin":
            continue  # the decoy is nobody's to call
        key, title = _group(path, pattern.callback)
        found.setdefault(key, Group(title)).lines.extend(_lines(path, pattern.callback))
    for resource, changes in policy.FINER_THAN_UPDATE.items():
        for change in changes:
            words = (
                f"PUT and PATCH that {f'set {change.field} to {change.to}' if change.to else f'change {change.field}'}"
            )
            found[resource].lines.append(
                Line("", words, change.action, _scopes(resource, change.action), is_condition=True)
            )
    return list(found.values())


def _group(path: str, callback: Any) -> tuple[str, str]:
    """Routes of a resource by the resource, wherever they hang; the others by the beginning of their path."""
    view = getattr(callback, "cls", None)
    if view is not None and issubclass(view, ResourceViewSet):
        return view.resource, (view.__doc__ or "").strip().split("\n")[0]
    if path.startswith(f"{ROOT}users/"):
        return "users", "Accounts: logging in and out, one's own profile, whom one may assign."
    if path == f"{ROOT}sync/":
        return "sync", (view.__doc__ or "").strip()
    if path.startswith(ROOT):
        return "about", "The API about itself."
    if path.startswith("account/"):
        return "pages", "Pages on which people choose their own password."
    return "other", "For load balancers, orchestrators and whoever verifies tokens, outside the base path."


def _lines(path: str, callback: Any) -> Iterator[Line]:
    for method, action in _methods(callback):
        yield Line(method.upper(), _written(path), policy_action(action), _allowed(callback, policy_action(action)))


def _methods(callback: Any) -> list[tuple[str, str]]:
    actions = getattr(callback, "actions", None)
    if actions:
        return list(actions.items())
    view = getattr(callback, "cls", None)
    asked = ("get", "post", "put", "patch", "delete")
    page = None if view else getattr(callback, "view_class", None)
    if page:
        return [(method, "") for method in asked if method in page.http_method_names]
    return [(method, "") for method in asked if hasattr(view, method)] if view else [("get", "")]


def _allowed(callback: Any, action: str) -> tuple[Scope, ...] | None:
    view = getattr(callback, "cls", None)
    if view is None or view.permission_classes == [Public]:
        return None
    return _scopes(view.resource, action)


def _scopes(resource: str, action: str) -> tuple[Scope, ...]:
    return tuple(policy.scope_of(resource, action, role) for role in MATRIX_ROLES)


def _written(path: str) -> str:
    """Django's pattern as people write it: `clients/{client}/contracts/{id}/`, with a slash before what is no API path."""
    named = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: "{" + ("id" if match[1] == "pk" else match[1]) + "}", path)
    return named.removeprefix(ROOT) or "(the base path)" if named.startswith(ROOT) else f"/{named}"
