"""Groups in the admin site: who sees them, who is put into them, and what is the code's alone."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError

from access.database import acting_as
from access.policy import Role
from accounts.models import User
from accounts.tests.test_admin_accounts import USERS, form_of
from conftest import World

GROUPS = "/hidden-admin/auth/group/"


def key(name: str) -> int:
    return Group.objects.get(name=name).pk


def groups_of(name: str) -> set[str]:
    with acting_as(Role.SUPERUSER):
        return set(User.objects.get(username=name).groups.values_list("name", flat=True))


@pytest.fixture
def night_shift(world: World) -> Group:
    with acting_as(Role.SUPERUSER):
        group = Group.objects.create(name="Night shift")
        world.users["sales"].groups.add(group)
        return group


@pytest.mark.parametrize("name", ["management", "auditor", "superuser"])
def test_groups_are_listed_with_their_members(name: str, world: World, night_shift: Group, visit: Any) -> None:
    browser = visit(name)
    page = browser.get(GROUPS).content.decode()
    for group in ("External", "Sales", "Support", "Management", "Auditor", "PII", "PII_VIEW", "Night shift"):
        assert f'/change/">{group}</a>' in page
    members = browser.get(f"{GROUPS}{night_shift.pk}/change/").content.decode()
    assert "Sales Person (sales)" in members
    by_role = browser.get(f"{GROUPS}{key('Sales')}/change/").content.decode()
    assert "Other_Sales Person (other_sales), Sales Person (sales)" in by_role
    assert "contracts.sign_contract" in by_role
    assert "nobody" in browser.get(f"{GROUPS}{key('PII')}/change/").content.decode()


def test_a_long_list_of_members_is_cut(world: World, night_shift: Group, visit: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("accounts.admin.groups.MAX_MEMBERS", 1)
    content = visit("management").get(f"{GROUPS}{key('Sales')}/change/").content.decode()
    assert "Other_Sales Person (other_sales), and more" in content


def test_a_manager_makes_renames_and_deletes_a_group(world: World, visit: Any) -> None:
    manager = visit("management")
    assert manager.post(GROUPS + "add/", {"name": "Couriers", "permissions": ["1"]}).status_code == 302
    group = Group.objects.get(name="Couriers")
    assert not group.permissions.exists()
    assert manager.post(f"{GROUPS}{group.pk}/change/", {"name": "Drivers", "permissions": ["1"]}).status_code == 302
    assert not Group.objects.get(name="Drivers").permissions.exists()
    with acting_as(Role.SUPERUSER):
        world.users["management"].groups.add(group)
    assert manager.get(f"{GROUPS}{group.pk}/delete/").status_code == 200
    assert manager.confirm(f"{GROUPS}{group.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Group.objects.filter(pk=group.pk).exists()


def test_a_taken_name_is_said_on_the_form(world: World, visit: Any) -> None:
    page = visit("management").post(GROUPS + "add/", {"name": "PII"})
    assert b"Group with this Name already exists." in page.content


@pytest.mark.parametrize("name", ["management", "superuser"])
@pytest.mark.parametrize("group", ["PII", "PII_VIEW", "Sales"])
def test_groups_of_the_code_are_read_only(name: str, group: str, world: World, visit: Any) -> None:
    browser, page = visit(name), f"{GROUPS}{key(group)}/"
    assert b'name="name"' not in browser.get(page + "change/").content
    assert browser.post(page + "change/", {"name": "Renamed"}).status_code == 403
    assert browser.confirm(page + "delete/", {"post": "yes"}).status_code == 403
    browser.confirm(GROUPS, {"action": "delete_selected", "_selected_action": [key(group)], "post": "yes"})
    assert Group.objects.filter(name=group).exists()


def test_several_groups_made_by_hand_are_deleted_at_once(
    world: World, night_shift: Group, visit: Any, caplog: Any
) -> None:
    browser, members = visit("management"), night_shift.user_set.count()
    browser.confirm(GROUPS, {"action": "delete_selected", "_selected_action": [night_shift.pk], "post": "yes"})
    assert not Group.objects.filter(pk=night_shift.pk).exists()
    assert groups_of("sales") == set()
    (told,) = [one for one in caplog.records if one.message == "privilege_permissions_changed"]
    assert (told.group, told.change, told.members) == (night_shift.pk, "deleted", members) and members


def test_a_manager_puts_people_into_groups_and_takes_them_out(world: World, visit: Any, caplog: Any) -> None:
    manager, auditor = visit("management"), world.users["auditor"]
    page = f"{USERS}{auditor.pk}/change/"
    offered = manager.get(page).content.decode()
    assert all(f'name="groups" value="{key(name)}"' in offered for name in ("PII", "PII_VIEW"))
    assert f'name="groups" value="{key("Management")}"' not in offered
    assert manager.post(page, form_of(auditor, groups=[key("PII_VIEW")])).status_code == 302
    assert groups_of("auditor") == {"PII_VIEW"}
    assert manager.post(page, form_of(auditor)).status_code == 302
    assert groups_of("auditor") == set()
    told = [(one.account, one.groups) for one in caplog.records if one.message == "privilege_permissions_changed"]
    assert told == [(auditor.pk, ["PII_VIEW"]), (auditor.pk, [])]


def test_the_group_of_a_role_is_no_choice(world: World, visit: Any) -> None:
    auditor = world.users["auditor"]
    page = visit("management").post(f"{USERS}{auditor.pk}/change/", form_of(auditor, groups=[key("Management")]))
    assert b"Select a valid choice." in page.content
    assert groups_of("auditor") == set()


def test_nobody_changes_their_own_groups(world: World, visit: Any) -> None:
    for name in ("management", "superuser"):
        user = world.users[name]
        browser, page = visit(name), f"{USERS}{user.pk}/change/"
        assert b'name="groups"' not in browser.get(page).content
        browser.post(page, form_of(user, groups=[key("PII")]))
        assert groups_of(name) == set()


def test_a_manager_leaves_a_superusers_groups_alone(world: World, visit: Any) -> None:
    boss = world.users["superuser"]
    page = f"{USERS}{boss.pk}/change/"
    assert visit("management").post(page, form_of(boss, groups=[key("PII")])).status_code == 403
    assert groups_of("superuser") == set()


def test_accounts_are_filtered_by_group(world: World, night_shift: Group, visit: Any) -> None:
    page = visit("management").get(f"{USERS}?groups__id__exact={night_shift.pk}")
    assert [user.username for user in page.context["cl"].result_list] == ["sales"]


def test_the_filter_offers_the_groups_that_have_members(world: World, night_shift: Group, visit: Any) -> None:
    with acting_as(Role.SUPERUSER):
        world.users["auditor"].groups.add(Group.objects.get(name="PII_VIEW"))
    (by_group,) = [spec for spec in visit("management").get(USERS).context["cl"].filter_specs if spec.title == "groups"]
    assert {name for _, name in by_group.lookup_choices} == {"Night shift", "PII_VIEW"}


@pytest.mark.parametrize("typed", ["ＰＩＩ", "PII\u200b", " PII ", "PII\u00a0", "PII\u3164", "\ufeffPII"])
def test_what_looks_like_a_group_is_that_one(typed: str, world: World, visit: Any) -> None:
    page = visit("management").post(GROUPS + "add/", {"name": typed})
    assert b"Group with this Name already exists." in page.content


@pytest.mark.parametrize("typed", ["\u200b", "a\u200bb", "a\u2028b", "a\u202eb", "P\u3164II", " ", "\u3164"])
def test_no_group_has_characters_that_nobody_sees(typed: str, world: World, visit: Any, night_shift: Group) -> None:
    before = set(Group.objects.values_list("name", flat=True))
    for page in ("add/", f"{night_shift.pk}/change/"):
        assert visit("management").post(GROUPS + page, {"name": typed}).context["adminform"].form.errors["name"]
    assert set(Group.objects.values_list("name", flat=True)) == before


def test_a_group_is_stored_in_one_spelling(world: World, visit: Any) -> None:
    assert visit("management").post(GROUPS + "add/", {"name": " Day\u00a0 ｓｈｉｆｔ\u200b"}).status_code == 302
    assert Group.objects.filter(name="Day shift").exists()


@pytest.mark.parametrize(
    "name", ["", " PII", "PII ", "a  b", "ＰＩＩ", "PII\u200b", "\u200b", "a\nb", "P\u3164II", "e\u0301"]
)
def test_sql_writes_no_other_name_of_a_group(name: str, world: World, night_shift: Group) -> None:
    for write in (lambda: Group.objects.create(name=name), lambda: Group.objects.update(name=name)):
        with pytest.raises(DatabaseError, match="one spelling"), acting_as(Role.SUPERUSER):
            write()
