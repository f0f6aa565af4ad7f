"""Writes the permissions and groups declared in code into Django's tables, after `migrate` (`sync_database`).

A group declared in code is a managed group. It holds the permission `access.managed_group`, which only the migrator
role can grant. By this permission the sync recognises managed groups that the code no longer declares. Groups made by
hand keep their permissions and members.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_permission_codename
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q, QuerySet

from access.codenames import content_type_of, managed_groups, permission_cells
from access.groups import NO_MODEL

MARK = "managed_group"


class GroupChange(NamedTuple):
    """One difference between code and tables: a sentence that describes it, and the function that removes it."""

    sentence: str
    make: Callable[[], object]


def is_managed(groups: QuerySet[Group]) -> QuerySet[Group]:
    """Returns the managed groups among `groups`: those that hold the permission `access.managed_group`."""
    return groups.filter(permissions__codename=MARK, permissions__content_type__app_label=NO_MODEL)


def group_changes() -> list[GroupChange]:
    """Returns the changes that make Django's tables match the code, in the order in which they must be made."""
    return [*_permission_changes(), *_group_changes(), *_plain_groups()]


def django_permissions() -> set[str]:
    """Returns the permissions that Django creates by itself: four for each model, and those of `Meta.permissions`."""
    return {
        f"{model._meta.app_label}.{name}"
        for model in apps.get_models()
        for name in (
            *(get_permission_codename(verb, model._meta) for verb in model._meta.default_permissions),
            *(name for name, _ in model._meta.permissions),
        )
    }


def _stored_permissions() -> dict[str, int]:
    """Maps each stored permission to its primary key, for example `clients.assign_client` -> 17."""
    rows = Permission.objects.values_list("content_type__app_label", "codename", "pk")
    return {f"{app_label}.{name}": key for app_label, name, key in rows}


def _permission_changes() -> Iterator[GroupChange]:
    stored, wanted = _stored_permissions(), {*permission_cells(), f"{NO_MODEL}.{MARK}"}
    for permission in sorted(wanted - stored.keys()):
        yield GroupChange(f"permission {permission}: made", partial(_make_permission, permission))
    ours = Q(content_type__app_label=NO_MODEL)
    for app_label, model in {content_type_of(permission) for permission in permission_cells()}:
        ours |= Q(content_type__app_label=app_label, content_type__model=model)
    stale = stored.keys() - wanted - django_permissions()
    for row in Permission.objects.filter(ours, pk__in=[stored[name] for name in stale]).select_related("content_type"):
        yield GroupChange(f"permission {row.content_type.app_label}.{row.codename}: removed", row.delete)


def _make_permission(permission: str) -> None:
    app_label, _, name = permission.partition(".")
    model = MARK if name == MARK else content_type_of(permission)[1]
    content_type, _is_new = ContentType.objects.get_or_create(app_label=app_label, model=model)
    Permission.objects.create(content_type=content_type, codename=name, name=f"Can {name.replace('_', ' ')}")


def _group_changes() -> Iterator[GroupChange]:
    wanted = {name: permissions | {f"{NO_MODEL}.{MARK}"} for name, permissions in managed_groups().items()}
    made = {group.name: _permissions_of(group) for group in is_managed(Group.objects.order_by("name"))}
    for group in Group.objects.filter(name__in=wanted).exclude(name__in=made):
        # A group made by hand has the same name as a managed group.
        # The members of the group made by hand weren't chosen for the managed group's permissions.
        # So the group made by hand gets another name, and the managed group is created without members.
        name = f"{group.name} (made by hand, {group.pk})"
        yield GroupChange(f"group {group.name}: renamed to {name}", partial(_rename, group.pk, name))
    for name in made.keys() - wanted.keys():
        yield GroupChange(f"group {name}: removed", Group.objects.filter(name=name).delete)
    for name, want in wanted.items():
        if name not in made:
            yield GroupChange(f"group {name}: made", partial(Group.objects.create, name=name))
        have = made.get(name, frozenset())
        if have != want:
            signed = [*(f"+{item}" for item in sorted(want - have)), *(f"-{item}" for item in sorted(have - want))]
            yield GroupChange(f"group {name}: {' '.join(signed)}", partial(_set_permissions, name, want))


def _permissions_of(group: Group) -> frozenset[str]:
    rows = group.permissions.values_list("content_type__app_label", "codename")
    return frozenset(f"{app_label}.{name}" for app_label, name in rows)


def _rename(key: int, name: str) -> None:
    Group.objects.filter(pk=key).update(name=name)


def _set_permissions(name: str, permissions: frozenset[str]) -> None:
    stored = _stored_permissions()
    Group.objects.get(name=name).permissions.set([stored[permission] for permission in permissions])


def _plain_groups() -> Iterator[GroupChange]:
    """For each missing group of the environment variable GROUPS, yields the change that creates it.

    These groups have no permissions in code. Managers maintain them in the admin site.
    """
    existing = set(Group.objects.exclude(pk__in=is_managed(Group.objects.all())).values_list("name", flat=True))
    for name in settings.GROUPS:
        if name not in existing:
            yield GroupChange(f"group {name}: made, as GROUPS says", partial(Group.objects.create, name=name))
