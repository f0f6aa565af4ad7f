"""Describes routes for the picture of the endpoints: the methods, and each role's scope in the policy."""

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
    """One HTTP method of one path. `scopes` says which rows (all, own, none) each role in MATRIX_ROLES may reach.

    `scopes` is None if the route needs no account.
    """

    method: str
    path: str
    action: str
    scopes: tuple[Scope, ...] | None
    is_condition: bool = False  # true for an action that is checked only for some changes, such as *sign*


@dataclass
class Group:
    title: str
    lines: list[Line] = field(default_factory=list)


def groups() -> list[Group]:
    """Returns all routes in groups. After a resource's routes come actions that only some changes need (*sign*)."""
    groups_by_key: dict[str, Group] = {}
    for path, pattern in checks.routes():
        if path.split("/")[0] == "admin":
            continue  # the honeypot (a fake admin login) isn't an endpoint
        key, title = _group(path, pattern.callback)
        groups_by_key.setdefault(key, Group(title)).lines.extend(_lines(path, pattern.callback))
    for resource, changes in policy.FINER_THAN_UPDATE.items():
        for change in changes:
            words = (
                f"PUT and PATCH that {f'set {change.field} to {change.to}' if change.to else f'change {change.field}'}"
            )
            groups_by_key[resource].lines.append(
                Line("", words, change.action, _scopes(resource, change.action), is_condition=True)
            )
    return list(groups_by_key.values())


def _group(path: str, callback: Any) -> tuple[str, str]:
    """Returns key and title of a route's group.

    The routes of a resource form a group, nested routes included. Other routes are grouped by the beginning of the
    path.
    """
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
        yield Line(
            method.upper(), _readable_path(path), policy_action(action), _scopes_of(callback, policy_action(action))
        )


def _methods(callback: Any) -> list[tuple[str, str]]:
    actions = getattr(callback, "actions", None)
    if actions:
        return list(actions.items())
    view = getattr(callback, "cls", None)
    methods = ("get", "post", "put", "patch", "delete")
    page = None if view else getattr(callback, "view_class", None)
    if page:
        return [(method, "") for method in methods if method in page.http_method_names]
    return [(method, "") for method in methods if hasattr(view, method)] if view else [("get", "")]


def _scopes_of(callback: Any, action: str) -> tuple[Scope, ...] | None:
    view = getattr(callback, "cls", None)
    if view is None or view.permission_classes == [Public]:
        return None
    return _scopes(view.resource, action)


def _scopes(resource: str, action: str) -> tuple[Scope, ...]:
    return tuple(policy.scope_of(resource, action, role) for role in MATRIX_ROLES)


def _readable_path(path: str) -> str:
    """Returns a readable form of Django's URL pattern, for example `clients/{client}/contracts/{id}/`.

    A path outside of the API begins with a slash.
    """
    readable = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: "{" + ("id" if match[1] == "pk" else match[1]) + "}", path)
    return readable.removeprefix(ROOT) or "(the base path)" if readable.startswith(ROOT) else f"/{readable}"
