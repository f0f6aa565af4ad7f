"""System checks: the policy table covers each route, and groups declared in code have only existing permissions."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.urls import URLPattern, URLResolver, get_resolver

from access import policy
from access.codenames import ROLE_GROUPS, permission_cells
from access.group_sync import django_permissions
from access.groups import NO_MODEL, declared_groups
from access.permissions import PolicyPermission, Public, policy_action
from access.policy import Scope


def routes(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Yields path and URL pattern of each route.

    Routes of the admin site are left out, because `access.admin` checks the policy table for them.
    """
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


_WIDTH = {scope: width for width, scope in enumerate(Scope)}


def nothing_finer_is_wider_than_update(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """System check: a role may do a finer action (sign, assign) only on rows that the role may also update.

    PostgreSQL has one UPDATE privilege for both actions. Suppose a role may sign all contracts, but update only its
    own. The role could then write every updatable column of all contracts.
    """
    return [
        Error(
            f"{role} may {change.action} more {resource} rows than update.",
            id="access.E003",
            hint="Widen update, or narrow the finer action, in access/policy.py.",
        )
        for resource, changes in policy.FINER_THAN_UPDATE.items()
        for change in changes
        for role in policy.MATRIX_ROLES
        if _WIDTH[policy.scope_of(resource, change.action, role)] > _WIDTH[policy.scope_of(resource, "update", role)]
    ]


def _name_faults() -> Iterator[str]:
    declared_names = [(name, "a role") for name in ROLE_GROUPS] + [(name, "GROUPS") for name in settings.GROUPS]
    declared_names += [(name, app) for app, name, _ in declared_groups()]
    for name, count in Counter(name for name, _ in declared_names).items():
        if count > 1:
            declarers = " and ".join(declarer for declared, declarer in declared_names if declared == name)
            yield f"The group {name} is declared twice: by {declarers}"
        if not 0 < len(name) <= 100:
            yield f"The group {name!r} has a name of {len(name)} characters: 1 to 100 are possible"


def _permission_faults() -> Iterator[str]:
    cells, by_django = permission_cells(), django_permissions()
    labels = {NO_MODEL, *(config.label for config in apps.get_app_configs())}
    for app, name, permissions in declared_groups():
        for permission, count in Counter(permissions).items():
            label = permission.partition(".")[0]
            if count > 1:
                yield f"The group {name} of {app} names {permission} twice"
            if label not in labels:
                yield f"The group {name} of {app} has {permission}, and there is no app {label}"
            elif permission not in cells and permission not in by_django:
                yield f"The group {name} of {app} has {permission}, which neither the policy table nor a model knows"
            elif permission in cells and label != NO_MODEL:
                yield f"The group {name} of {app} has {permission}, which the role decides, as PostgreSQL's grants do"


def _codename_faults() -> Iterator[str]:
    for model in apps.get_models():
        for name, _ in model._meta.permissions:
            if f"{model._meta.app_label}.{name}" in permission_cells():
                yield f"The permission {name} of {model._meta.label} comes from the policy table, and is stated twice"


def every_group_is_sound(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """System check: apps and the environment variable GROUPS declare each group once, with existing permissions."""
    hint = (
        "Groups are `managed_groups` of an AppConfig and the variable GROUPS, permissions come from access/policy.py."
    )
    faults = (*_name_faults(), *_permission_faults(), *_codename_faults())
    return [Error(f"{fault}.", id="access.E002", hint=hint) for fault in faults]
