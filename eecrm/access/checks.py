"""A start-up check: no route opens by being forgotten."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.urls import URLPattern, URLResolver, get_resolver

from access import policy
from access.permissions import PolicyPermission, Public, policy_action


def routes(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every route of the project but the admin site's (which asks the policy in `access.admin`), with its path."""
    for pattern in (resolver or get_resolver()).url_patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            if path != settings.ADMIN_URL:
                yield from routes(pattern, path)
        else:
            yield path, pattern


def _fault(callback: Any) -> str | None:
    view = getattr(callback, "cls", None)
    if view is None:
        return None if getattr(callback, "is_public", False) else "is a plain view that is not marked public"
    if view.permission_classes == [Public]:
        return None
    if not any(issubclass(permission, PolicyPermission) for permission in view.permission_classes):
        return "doesn't ask the policy: its permission classes lack PolicyPermission"
    actions = getattr(callback, "actions", None)
    if not actions:
        return "is no viewset, so that its methods name no action of the policy"
    resource = getattr(view, "resource", "")
    unknown = [
        action for action in dict.fromkeys(actions.values()) if not policy.knows(resource, policy_action(action))
    ]
    return (
        f"does {', '.join(unknown)} on {resource or 'no resource'}, which the policy table doesn't list"
        if unknown
        else None
    )


def every_view_is_known_to_the_policy(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    return [
        Error(
            f"The route /{path} {fault}.",
            id="access.E001",
            hint="Name its resource and list the action in access/policy.py.",
        )
        for path, pattern in routes()
        if (fault := _fault(pattern.callback))
    ]
