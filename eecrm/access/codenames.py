"""Django permissions and groups made from the policy table: a permission for each row, a group for each role."""

from functools import cache
from typing import NamedTuple

from django.apps import apps

from access.groups import NO_MODEL, codename, declared_groups
from access.policy import MATRIX_ROLES, TABLE, Role, Scope, scope_of
from access.querysets import resource_of


class Cell(NamedTuple):
    resource: str
    action: str


def _model_names() -> dict[str, tuple[str, str]]:
    """`{"client": ("clients", "client")}`: app label and model name of each resource that has a model."""
    return {
        resource: (model._meta.app_label, str(model._meta.model_name))
        for model in apps.get_models()
        if (resource := resource_of(model))
    }


@cache
def permission_cells() -> dict[str, Cell]:
    """`{"clients.assign_client": ("client", "assign")}`: resource and action of each permission of the table.

    A resource without a model (`personal_data`) gets a content type of its own in the app *access*. So its permissions
    are found by name like all others, without belonging to an unrelated model.
    """
    model_names = _model_names()
    cells = {}
    for resource, action, *_ in TABLE:
        app_label, noun = model_names.get(resource, (NO_MODEL, resource))
        cells[f"{app_label}.{codename(action, noun)}"] = Cell(resource, action)
    return cells


def content_type_of(permission: str) -> tuple[str, str]:
    """App label and model name of the content type of a permission."""
    resource = permission_cells()[permission].resource
    return _model_names().get(resource, (NO_MODEL, resource))


def role_group(role: str) -> str:
    """Name of a role's group. Accounts belong to it by their role; no row stores the membership."""
    return role.title()


ROLE_GROUPS = tuple(role_group(role) for role in MATRIX_ROLES if role is not Role.SUPERUSER)


def managed_groups() -> dict[str, frozenset[str]]:
    """`{group: permissions}` of all groups declared in code: one for each stored role, and those of the apps."""
    role_groups = {
        role_group(role): frozenset(
            permission for permission, cell in permission_cells().items() if scope_of(*cell, role) is not Scope.NONE
        )
        for role in MATRIX_ROLES
        if role is not Role.SUPERUSER
    }
    return role_groups | {name: frozenset(permissions) for _, name, permissions in declared_groups()}
