"""The policy table in Django's words: a permission for each of its rows, a group for each of its roles."""

from functools import cache
from typing import NamedTuple

from django.apps import apps

from access.groups import NO_MODEL, codename, declared_groups
from access.policy import MATRIX_ROLES, TABLE, Role, Scope, scope_of
from access.querysets import resource_of


class Cell(NamedTuple):
    resource: str
    action: str


def _nouns() -> dict[str, tuple[str, str]]:
    """`{"client": ("clients", "client")}`: app label and model of each resource that has one."""
    return {
        resource: (model._meta.app_label, str(model._meta.model_name))
        for model in apps.get_models()
        if (resource := resource_of(model))
    }


@cache
def permission_cells() -> dict[str, Cell]:
    """`{"clients.assign_client": ("client", "assign")}`, for each row of the table.

    A resource without a model (`personal_data`) is a noun of the app *access*, with a content type of its own: its
    permissions are then found by name like all others, and no model pretends to have them.
    """
    nouns = _nouns()
    cells = {}
    for resource, action, *_ in TABLE:
        app_label, noun = nouns.get(resource, (NO_MODEL, resource))
        cells[f"{app_label}.{codename(action, noun)}"] = Cell(resource, action)
    return cells


def content_type_of(permission: str) -> tuple[str, str]:
    """App label and model of the content type that a permission of the table hangs on."""
    resource = permission_cells()[permission].resource
    return _nouns().get(resource, (NO_MODEL, resource))


def role_group(role: str) -> str:
    """The name of a role's group. Accounts are in it by their role, never by a row."""
    return role.title()


ROLE_GROUPS = tuple(role_group(role) for role in MATRIX_ROLES if role is not Role.SUPERUSER)


def managed_groups() -> dict[str, frozenset[str]]:
    """`{group: permissions}` of all groups that the code makes: one for each stored role, and those of the apps."""
    of_roles = {
        role_group(role): frozenset(
            permission for permission, cell in permission_cells().items() if scope_of(*cell, role) is not Scope.NONE
        )
        for role in MATRIX_ROLES
        if role is not Role.SUPERUSER
    }
    return of_roles | {name: frozenset(permissions) for _, name, permissions in declared_groups()}
