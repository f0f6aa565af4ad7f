"""User groups declared in code. An app declares them on its AppConfig, each with its permissions:

    managed_groups = {"PII_VIEW": ("access.view_personal_data",)}

`migrate` writes these groups into Django's tables (`access.group_sync`). Members are chosen in the admin site.
"""

from collections.abc import Iterator
from functools import cache

from django.apps import apps

# App label for permissions that belong to no model, such as `access.view_personal_data`.
NO_MODEL = "access"

_DJANGO_VERBS = {"retrieve": "view", "create": "add", "update": "change"}


def codename(action: str, noun: str) -> str:
    """Returns Django's codename for an action of the policy table: `retrieve` on `client` -> `view_client`."""
    return f"{_DJANGO_VERBS.get(action, action)}_{noun}"


def declared_groups() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yields (app, group, permissions) for each group that an app declares, in the order of INSTALLED_APPS."""
    for app in apps.get_app_configs():
        for name, permissions in getattr(app, "managed_groups", {}).items():
            yield app.label, name, permissions


@cache
def groups_that_open(resource: str, action: str) -> frozenset[str]:
    """Returns the groups whose members may do the action, even if the policy table refuses it to their role.

    Only a resource without a model can be opened to a group, because PostgreSQL's privileges belong to roles. If a group
    has a permission on a resource with a model, a system check fails (access.E002).
    """
    permission = f"{NO_MODEL}.{codename(action, resource)}"
    return frozenset(name for _, name, permissions in declared_groups() if permission in permissions)
