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
    """Maps each resource that has a model to app label and model name: `client` -> (`clients`, `client`)."""
    return {
        resource: (model._meta.app_label, str(model._meta.model_name))
        for model in apps.get_models()
        if (resource := resource_of(model))
    }


@cache
def permission_cells() -> dict[str, Cell]:
    """Maps each permission to its resource and action: `clients.assign_client` -> (`client`, `assign`).

    Django stores each permission with a content type, usually the content type of a model. A resource without a model
    (`personal_data`) gets a content type of its own in the app *access*. So its permissions have names like all others,
    for example `access.view_personal_data`.
    """
    model_names = _model_names()
    cells = {}
    for resource, action, *_ in TABLE:
        app_label, noun = model_names.get(resource, (NO_MODEL, resource))
        cells[f"{app_label}.{codename(action, noun)}"] = Cell(resource, action)
    return cells


def content_type_of(permission: str) -> tuple[str, str]:
    """Returns app label and model name of the content type to which the permission belongs."""
    resource = permission_cells()[permission].resource
    return _model_names().get(resource, (NO_MODEL, resource))


def role_group(role: str) -> str:
    """Returns the name of the group for a role: `sales` -> `Sales`.

    An account is in this group because it has the role. No row of the database stores this membership.
    """
    return role.title()


ROLE_GROUPS = tuple(role_group(role) for role in MATRIX_ROLES if role is not Role.SUPERUSER)


def managed_groups() -> dict[str, frozenset[str]]:
    """Maps the name of each group declared in code to the group's permissions.

    Each role except superuser has a group, and apps declare further groups.
    """
    role_groups = {
        role_group(role): frozenset(
            permission for permission, cell in permission_cells().items() if scope_of(*cell, role) is not Scope.NONE
        )
        for role in MATRIX_ROLES
        if role is not Role.SUPERUSER
    }
    return role_groups | {name: frozenset(permissions) for _, name, permissions in declared_groups()}
