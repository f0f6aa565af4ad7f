"""Groups declared in code. An app declares them on its AppConfig:

    managed_groups = {"PII_VIEW": ("access.view_personal_data",)}

`migrate` writes them into Django's tables (`access.group_sync`). Their members are chosen in the admin site.
"""

from collections.abc import Iterator
from functools import cache

from django.apps import apps

# App label of permissions that belong to no model, such as `access.view_personal_data`.
NO_MODEL = "access"

_DJANGO_VERBS = {"retrieve": "view", "create": "add", "update": "change"}


def codename(action: str, noun: str) -> str:
    """Django's codename for an action of the policy table: `view_client`, `sign_contract`."""
    return f"{_DJANGO_VERBS.get(action, action)}_{noun}"


def declared_groups() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """`(app, group, permissions)` of each declaration, in the order of INSTALLED_APPS."""
    for app in apps.get_app_configs():
        for name, permissions in getattr(app, "managed_groups", {}).items():
            yield app.label, name, permissions


@cache
def groups_that_open(resource: str, action: str) -> frozenset[str]:
    """Returns the groups whose members may do this action, whatever their role.

    Only a resource without a model can be opened to a group, because PostgreSQL's privileges belong to roles. A system
    check (access.E002) refuses groups with other permissions of the policy table.
    """
    permission = f"{NO_MODEL}.{codename(action, resource)}"
    return frozenset(name for _, name, permissions in declared_groups() if permission in permissions)
