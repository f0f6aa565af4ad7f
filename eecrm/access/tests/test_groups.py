"""Groups of the code: what may be declared, how it gets into the database, and who belongs."""

from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser, Group
from django.core.management import CommandError, call_command
from rest_framework.exceptions import PermissionDenied
from rest_framework.test import APIRequestFactory

from access.checks import every_group_is_sound
from access.codenames import ROLE_GROUPS, managed_groups
from access.database import acting_as
from access.permissions import InGroups, belongs_to_groups
from access.policy import Role
from access.tests.test_cells import CELLS
from access.tests.test_database_roles import manage, run_as_migrator
from accounts.models import User
from clients.models import Client
from conftest import World

MIGRATOR = "--settings=config.migrator_settings"


def test_each_stored_role_has_a_group_of_what_it_may() -> None:
    assert ROLE_GROUPS == ("External", "Sales", "Support", "Management", "Auditor")
    for role in ("external", "sales", "support", "management", "auditor"):
        allowed = sum(scope != "none" for cell, scope in CELLS.items() if cell[2] == role)
        assert len(managed_groups()[role.title()]) == allowed
    assert "contracts.sign_contract" in managed_groups()["Sales"]
    assert "contracts.sign_contract" not in managed_groups()["Support"]
    assert managed_groups()["PII"] == {"access.view_personal_data", "access.export_personal_data"}
    assert managed_groups()["PII_VIEW"] == {"access.view_personal_data"}


@pytest.mark.parametrize(
    ("declared", "fault"),
    [
        ({"Couriers": ()}, None),
        ({"Couriers": ("sessions.view_session",)}, None),
        ({"Couriers": ("access.view_personal_data",)}, None),
        ({"Couriers": ("clients.fly_client",)}, "Couriers of clients has clients.fly_client, which neither"),
        ({"Couriers": ("clients.view_ship",)}, "has clients.view_ship, which neither"),
        ({"Couriers": ("ships.view_ship",)}, "has ships.view_ship, and there is no app ships"),
        ({"Couriers": ("nonsense",)}, "has nonsense, and there is no app nonsense"),
        ({"Couriers": ("clients.delete_client",)}, "has clients.delete_client, which the role decides"),
        ({"Couriers": ("access.view_personal_data",) * 2}, "names access.view_personal_data twice"),
        ({"PII": ()}, "The group PII is declared twice: by accounts and clients"),
        ({"Sales": ()}, "The group Sales is declared twice: by a role and clients"),
        ({"Night shift": ()}, "The group Night shift is declared twice: by GROUPS and clients"),
        ({"": ()}, "has a name of 0 characters"),
        ({"x" * 101: ()}, "has a name of 101 characters"),
    ],
)  # fmt: skip
def test_a_wrong_declaration_stops_the_start_by_name(
    declared: dict[str, Any], fault: str | None, monkeypatch: Any, settings: Any
) -> None:
    settings.GROUPS = ["Night shift"]
    monkeypatch.setattr(apps.get_app_config("clients"), "managed_groups", declared, raising=False)
    assert [fault in str(error) for error in every_group_is_sound(None)] == ([True] if fault else [])


def test_what_the_table_says_is_not_said_again_by_a_model(monkeypatch: Any) -> None:
    monkeypatch.setattr(Client._meta, "permissions", [("assign_client", "Can assign"), ("fly_client", "Can fly")])
    assert ["permission assign_client of clients.Client" in str(error) for error in every_group_is_sound(None)] == [
        True
    ]


def sync(*options: str) -> str:
    return run_as_migrator("sync_database", *options)


@pytest.fixture
def catalogue(db: None, migrator: Any) -> Any:
    """Runs SQL as the migrator; afterwards the sync repairs what is left, and what was made by hand goes."""

    def run(sql: str) -> None:
        with migrator.cursor() as cursor:
            cursor.execute(sql)

    yield run
    run("DELETE FROM auth_group WHERE name LIKE '%(made by hand%' OR name IN ('Couriers', 'Night shift')")
    sync("--verbosity=0")


def drift(*options: str) -> list[str]:
    out = StringIO()
    with pytest.raises(CommandError, match="The database differs from the code in"):
        call_command("sync_database", *options, stdout=out)
    return out.getvalue().splitlines()


def test_a_dry_run_tells_the_difference_and_changes_nothing(catalogue: Any) -> None:
    assert "The database says what the code says." in sync("--dry-run")
    of_group = "(SELECT id FROM auth_group WHERE name = 'Sales')"
    of_permission = "(SELECT id FROM auth_permission WHERE codename = 'sign_contract')"
    catalogue(
        f"DELETE FROM auth_group_permissions WHERE group_id = {of_group} AND permission_id = {of_permission};"
        "INSERT INTO auth_group_permissions (group_id, permission_id) SELECT id, "
        f"(SELECT id FROM auth_permission WHERE codename = 'delete_client') FROM auth_group WHERE name = 'Auditor'"
    )
    expected = ["group Sales: +contracts.sign_contract", "group Auditor: -clients.delete_client"]
    for option in ("--dry-run", "--check"):
        assert drift(option) == expected
    lines = sync().splitlines()
    assert lines == [*expected, "Functions: 0 written. Privileges: 0 statements run."]
    catalogue("DELETE FROM auth_group_permissions WHERE group_id = (SELECT id FROM auth_group WHERE name = 'PII')")
    assert sync("--verbosity=0") == ""
    assert "says what" in sync("--dry-run")


def test_the_app_role_may_look_and_not_write(catalogue: Any) -> None:
    catalogue("DELETE FROM auth_group_permissions WHERE group_id = (SELECT id FROM auth_group WHERE name = 'Sales')")
    result = manage("sync_database")
    assert (result.returncode, result.stderr) == (
        1,
        "CommandError: eecrm_app may not change tables. Run: python manage.py sync_database --settings=config.migrator_settings\n",
    )
    assert drift("--check")


def test_a_group_that_is_missing_is_made_again_with_its_permissions(catalogue: Any) -> None:
    catalogue(
        "DELETE FROM auth_group_permissions WHERE group_id = (SELECT id FROM auth_group WHERE name = 'PII_VIEW');"
        "DELETE FROM auth_group WHERE name = 'PII_VIEW';"
        "DELETE FROM auth_group_permissions WHERE permission_id = (SELECT id FROM auth_permission WHERE codename = 'assign_client');"
        "DELETE FROM auth_permission WHERE codename = 'assign_client'"
    )
    expected = [
        "permission clients.assign_client: made",
        "group Management: +clients.assign_client",
        "group PII_VIEW: made",
        "group PII_VIEW: +access.managed_group +access.view_personal_data",
    ]
    assert drift("--check") == expected
    assert sync().splitlines()[:-1] == expected
    assert "says what" in sync("--check")


def test_what_is_declared_no_longer_is_removed_and_what_people_made_stays(catalogue: Any) -> None:
    catalogue(
        "INSERT INTO auth_group (name) VALUES ('Couriers'), ('Night shift');"
        "INSERT INTO auth_group_permissions (group_id, permission_id) SELECT auth_group.id, auth_permission.id"
        "  FROM auth_group, auth_permission WHERE auth_group.name = 'Couriers' AND codename = 'managed_group';"
        "INSERT INTO auth_permission (name, codename, content_type_id) SELECT 'Can fly client', 'fly_client', id"
        "  FROM django_content_type WHERE app_label = 'clients' AND model = 'client';"
        "INSERT INTO auth_permission (name, codename, content_type_id) SELECT 'Can see ghosts', 'view_ghost', id"
        "  FROM django_content_type WHERE app_label = 'access' LIMIT 1;"
    )
    expected = {
        "permission clients.fly_client: removed", "permission access.view_ghost: removed", "group Couriers: removed",
    }  # fmt: skip
    assert set(drift("--check")) == expected
    assert set(sync().splitlines()) == expected | {"Functions: 0 written. Privileges: 0 statements run."}
    assert set(Group.objects.filter(name__in=["Couriers", "Night shift"]).values_list("name", flat=True)) == {
        "Night shift"
    }


def test_a_group_made_by_hand_under_a_name_of_the_code_keeps_its_members_and_loses_the_name(catalogue: Any) -> None:
    catalogue(
        "DELETE FROM auth_group_permissions WHERE group_id = (SELECT id FROM auth_group WHERE name = 'PII')"
    )  # not marked any more: as if somebody had made it
    key = Group.objects.get(name="PII").pk
    assert sync().splitlines()[:2] == [f"group PII: renamed to PII (made by hand, {key})", "group PII: made"]
    assert Group.objects.get(pk=key).name == f"PII (made by hand, {key})"
    assert Group.objects.get(name="PII").permissions.count() == 3


def test_the_variable_adds_plain_groups_and_takes_none_away(catalogue: Any, settings: Any) -> None:
    settings.GROUPS = ["Night shift"]
    assert drift("--check") == ["group Night shift: made, as GROUPS says"]
    catalogue("INSERT INTO auth_group (name) VALUES ('Night shift')")
    call_command("sync_database", "--check", stdout=StringIO())
    settings.GROUPS = []
    call_command("sync_database", "--check", stdout=StringIO())


def test_the_variable_is_read_from_the_environment(catalogue: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("GROUPS", "Night shift, Couriers")
    lines = manage("sync_database", MIGRATOR).stdout.splitlines()
    assert lines[:2] == [f"group {name}: made, as GROUPS says" for name in ("Night shift", "Couriers")]
    assert not Group.objects.get(name="Couriers").permissions.exists()
    monkeypatch.setenv("GROUPS", "PII")
    result = manage("check")
    assert (result.returncode, "The group PII is declared twice: by GROUPS and accounts" in result.stderr) == (1, True)
    monkeypatch.delenv("GROUPS")


def member(world: World, name: str, *groups: str) -> User:
    with acting_as(Role.SUPERUSER):
        for group in groups:
            world.users[name].groups.add(Group.objects.get_or_create(name=group)[0])
    return User.objects.get(pk=world.users[name].pk)


def test_who_belongs_to_groups(world: World, django_assert_num_queries: Any) -> None:
    sales = member(world, "sales", "Night shift")
    assert sales.group_names == {"Night shift"}
    with django_assert_num_queries(0):
        assert belongs_to_groups(sales, "Night shift")
        assert belongs_to_groups(sales, "Couriers", "Night shift")
        assert belongs_to_groups(sales, "Sales")  # by the role
        assert not belongs_to_groups(sales, "Couriers", "Management")
        assert not belongs_to_groups(sales)
        assert belongs_to_groups(world.users["superuser"], "Couriers")
        assert not belongs_to_groups(AnonymousUser(), "Night shift", "")


def test_a_view_for_the_members_of_a_group(world: World) -> None:
    request: Any = APIRequestFactory().get("/")
    permission = InGroups.named("Night shift", "Couriers")()
    request.user = member(world, "sales", "Night shift")
    assert permission.has_permission(request, None)  # type: ignore[arg-type]  # it doesn't look at the view
    request.user = world.users["other_sales"]
    with pytest.raises(PermissionDenied, match="Only members of Night shift or Couriers may do this.") as refusal:
        permission.has_permission(request, None)  # type: ignore[arg-type]  # as above
    assert refusal.value.rule == "group.Night shift|Couriers"  # type: ignore[attr-defined]  # ours
    with pytest.raises(PermissionDenied, match="Only members of no group"):
        InGroups().has_permission(request, None)  # type: ignore[arg-type]  # as above
