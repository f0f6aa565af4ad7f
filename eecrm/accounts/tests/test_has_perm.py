"""`user.has_perm`, which Django's own code asks, gives the policy's answer."""

from typing import Any

import pytest
from django.contrib.auth.models import Group

from access.codenames import permission_cells
from access.database import acting_as
from access.policy import Role
from access.tests.test_cells import CELLS, NAMES
from accounts.models import User
from conftest import World

# Written by hand, so that a name can't change unnoticed.
APPS = {
    "client": "clients.{}_client", "contract": "contracts.{}_contract", "event": "events.{}_event", "user": "accounts.{}_user",
    "cover": "accounts.{}_cover", "mail": "accounts.{}_mail", "group": "auth.{}_group", "log_entry": "admin.{}_logentry",
    "trail": "audit.{}_entry",
}  # fmt: skip
VERBS = {"retrieve": "view", "create": "add", "update": "change"}


def name_of(resource: str, action: str) -> str:
    return APPS.get(resource, f"access.{{}}_{resource}").format(VERBS.get(action, action))


def in_group(user: User, name: str) -> User:
    with acting_as(Role.SUPERUSER):
        user.groups.add(Group.objects.get(name=name))
    return User.objects.get(pk=user.pk)


def test_every_row_of_the_table_has_its_name() -> None:
    cells = {(resource, action) for resource, action, _ in CELLS}
    assert {name_of(*cell): cell for cell in cells} == permission_cells()
    assert {"clients.assign_client", "contracts.sign_contract", "access.view_personal_data"} < permission_cells().keys()


@pytest.mark.parametrize("role", NAMES)
def test_has_perm_agrees_with_every_cell(role: str, world: World) -> None:
    user = world.users[NAMES[role]]
    expected = {name_of(resource, action): CELLS[resource, action, role] != "none" for resource, action, _ in CELLS}
    assert {name: user.has_perm(name) for name in expected} == expected
    assert user.get_all_permissions() == {name for name, is_allowed in expected.items() if is_allowed}
    assert user.get_group_permissions() == user.get_all_permissions()
    assert user.get_user_permissions() == set()
    assert user.has_perms(user.get_all_permissions())
    assert not user.has_perms(["clients.view_client", "clients.explode_client"])


def test_a_group_permits_what_the_role_does_not(world: World) -> None:
    auditor = world.users["auditor"]
    assert not auditor.has_perm("access.view_personal_data")
    member = in_group(auditor, "PII_VIEW")
    assert member.has_perm("access.view_personal_data")
    assert not member.has_perm("access.export_personal_data")
    assert member.get_all_permissions() > auditor.get_all_permissions()
    assert in_group(auditor, "PII").has_perm("access.export_personal_data")


def test_what_the_table_does_not_list_is_permitted_by_membership(world: World, migrator: Any) -> None:
    with migrator.cursor() as cursor:  # only the migrator gives permissions to groups
        cursor.execute(
            "INSERT INTO auth_group_permissions (group_id, permission_id) SELECT auth_group.id, auth_permission.id"
            "  FROM auth_group, auth_permission WHERE auth_group.name = 'PII_VIEW' AND codename = 'view_session' RETURNING id"
        )
        given = cursor.fetchone()[0]
    try:
        assert not world.users["unlinked"].has_perm("sessions.view_session")
        member = in_group(world.users["unlinked"], "PII_VIEW")
        assert member.group_names == {"PII_VIEW"}  # as a request has them
        with acting_as(Role.EXTERNAL):
            assert member.has_perm("sessions.view_session")
        assert member.has_perm("sessions.view_session")
        assert not member.has_perm("sessions.delete_session")
        assert "sessions.view_session" in member.get_all_permissions()
    finally:
        with migrator.cursor() as cursor:
            cursor.execute("DELETE FROM auth_group_permissions WHERE id = %s", [given])


def test_what_the_policy_does_not_know_is_permitted_to_nobody(world: World) -> None:
    for permission in ("auth.view_permission", "accounts.explode_user", "nonsense", "", "sessions.delete_session"):
        assert not world.users["superuser"].has_perm(permission), permission
    assert world.users["superuser"].has_perm("admin.view_logentry")


def test_an_inactive_account_has_no_permission(world: World) -> None:
    user = world.users["superuser"]
    user.is_active = False
    assert not user.has_perm("clients.view_client")
    assert not user.has_module_perms("clients")
    assert user.get_all_permissions() == set()
