"""The account rules of the access matrix, in the admin site, also against forms that nobody was shown."""

from typing import Any

import pytest

from access.database import acting_as
from access.policy import Role
from accounts.models import User
from conftest import PASSWORD, Visitor, World, make_client

ADMIN = "/hidden-admin/"
USERS = ADMIN + "accounts/user/"


def stored(name: str) -> User:
    return User.objects.get(username=name)


def form_of(user: User, **changes: Any) -> dict[str, Any]:
    fields = {
        "username": user.username,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email,
        "role": user.role,
    }
    ticks = {"is_active": "on"} if user.is_active else {}
    return fields | ticks | ({"is_superuser": "on"} if user.is_superuser else {}) | changes


def test_only_managers_and_auditors_are_let_in(world: World, visit: Any) -> None:
    assert Visitor().get(ADMIN).status_code == 302
    for name in ("sales", "support", "partner"):
        assert visit(name).get(ADMIN).status_code == 302
    for name in ("management", "auditor", "superuser"):
        page = visit(name).get(ADMIN)
        assert page.status_code == 200
        assert b"Epic Events CRM" in page.content
        assert b"Django administration" not in page.content


def test_a_manager_logs_in_with_the_password(world: World) -> None:
    browser = Visitor()
    response = browser.post(ADMIN + "login/?next=" + ADMIN, {"username": "management", "password": PASSWORD})
    assert (response.status_code, response.url) == (302, ADMIN)
    assert browser.get(ADMIN).status_code == 200
    assert (
        b"Please enter the correct"
        in Visitor().post(ADMIN + "login/", {"username": "sales", "password": PASSWORD}).content
    )


def test_a_manager_changes_and_deactivates_an_account(world: World, visit: Any) -> None:
    sales = world.users["sales"]
    browser = visit("management")
    assert (
        browser.post(f"{USERS}{sales.pk}/change/", form_of(sales, role="support", last_name="Moved")).status_code == 302
    )
    assert (stored("sales").role, stored("sales").last_name) == ("support", "Moved")
    form = form_of(stored("sales"))
    del form["is_active"]
    browser.post(f"{USERS}{sales.pk}/change/", form)
    assert not stored("sales").is_active


def test_a_manager_deletes_an_account_that_nothing_hangs_on(world: World, visit: Any) -> None:
    browser = visit("management")
    assert browser.confirm(f"{USERS}{world.users['unlinked'].pk}/delete/", {"post": "yes"}).status_code == 302
    assert not User.objects.filter(username="unlinked").exists()


def test_a_user_who_is_somebodys_contact_is_not_deleted(world: World, visit: Any) -> None:
    browser = visit("management")
    for name in ("sales", "support", "partner"):
        page = browser.confirm(f"{USERS}{world.users[name].pk}/delete/", {"post": "yes"})
        assert User.objects.filter(username=name).exists()
        assert page.status_code == 200
    page = browser.confirm(
        USERS, {"action": "delete_selected", "_selected_action": [world.users["sales"].pk], "post": "yes"}, follow=True
    )
    assert User.objects.filter(username="sales").exists()


def test_who_left_a_record_is_not_deleted_and_the_page_says_so(world: World, visit: Any) -> None:
    unlinked, manager = world.users["unlinked"], world.users["other_management"]
    visit("other_management").post(f"{USERS}{unlinked.pk}/change/", form_of(unlinked, last_name="Seen"))
    boss = visit("superuser")
    page = boss.confirm(f"{USERS}{manager.pk}/delete/", {"post": "yes"})
    assert b"Log entry: " in page.content
    assert User.objects.filter(username="other_management").exists()
    assert boss.confirm(f"{USERS}{world.users['other_sales'].pk}/delete/", {"post": "yes"}).status_code == 200
    assert boss.get(f"{USERS}{unlinked.pk}/history/").status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"is_superuser": "on"},
        {"is_staff": "on"},
        {"password": "x" * 20},
        {"user_permissions": ["1"]},
        {"groups": ["1"]},
    ],
)
@pytest.mark.parametrize("whom", ["sales", "management"])
def test_a_forged_form_raises_nobodys_rights(change: dict[str, Any], whom: str, world: World, visit: Any) -> None:
    before = User.objects.defer(None).get(username=whom)
    visit("management").post(f"{USERS}{before.pk}/change/", form_of(before, **change))
    after = User.objects.defer(None).get(username=whom)
    assert (after.is_superuser, after.is_staff, after.password) == (
        before.is_superuser,
        before.is_staff,
        before.password,
    )
    with acting_as(Role.SUPERUSER):
        assert not after.user_permissions.exists()


def test_nobody_changes_their_own_role_or_activity(world: World, visit: Any) -> None:
    for name in ("management", "superuser"):
        user = world.users[name]
        form = form_of(user, role="external")
        form.pop("is_active")
        form.pop("is_superuser", None)
        visit(name).post(f"{USERS}{user.pk}/change/", form)
        after = stored(name)
        assert (after.role, after.is_active, after.is_superuser) == (user.role, True, user.is_superuser)
        assert b'name="role"' not in visit(name).get(f"{USERS}{user.pk}/change/").content
        assert visit(name).confirm(f"{USERS}{user.pk}/delete/", {"post": "yes"}).status_code == 403
        visit(name).confirm(USERS, {"action": "delete_selected", "_selected_action": [user.pk], "post": "yes"})
        assert User.objects.filter(username=name).exists()


def test_the_last_active_manager_stays(world: World, visit: Any) -> None:
    first, second = world.users["management"], world.users["other_management"]
    assert visit("superuser").post(f"{USERS}{second.pk}/change/", form_of(second, role="sales")).status_code == 302
    assert stored("other_management").role == "sales"
    inactive = form_of(first)
    del inactive["is_active"]
    for page, form in (
        (f"{USERS}{first.pk}/change/", form_of(first, role="sales")),
        (f"{USERS}{first.pk}/change/", inactive),
        (f"{USERS}{first.pk}/delete/", {"post": "yes"}),
        (USERS, {"action": "delete_selected", "_selected_action": [first.pk], "post": "yes"}),
    ):
        answer = visit("superuser").confirm(page, form, follow=True)
        assert b"The last active manager stays: make somebody else a manager first." in answer.content, page
        assert (stored("management").role, stored("management").is_active) == ("management", True)
    assert visit("superuser").post(f"{USERS}{first.pk}/change/", form_of(first, last_name="New")).status_code == 302


def test_superusers_are_the_superusers_matter(world: World, visit: Any) -> None:
    boss = world.users["superuser"]
    manager = visit("management")
    assert manager.post(f"{USERS}{boss.pk}/change/", form_of(boss, last_name="Owned")).status_code == 403
    assert manager.confirm(f"{USERS}{boss.pk}/delete/", {"post": "yes"}).status_code == 403
    manager.confirm(USERS, {"action": "delete_selected", "_selected_action": [boss.pk], "post": "yes"})
    assert stored("superuser").last_name == ""
    add = {"username": "second", "role": "sales", "email": "second@epic.example", "is_superuser": "on"}
    manager.post(USERS + "add/", add)
    assert not stored("second").is_superuser
    visit("superuser").post(
        f"{USERS}{world.users['sales'].pk}/change/", form_of(world.users["sales"], is_superuser="on")
    )
    assert stored("sales").is_superuser


def test_an_auditor_reads_and_changes_nothing(world: World, visit: Any) -> None:
    auditor = visit("auditor")
    for page in ("accounts/user/", "clients/client/", "contracts/contract/", "events/event/", "admin/logentry/"):
        assert auditor.get(ADMIN + page).status_code == 200, page
    sales = world.users["sales"]
    assert auditor.get(f"{USERS}{sales.pk}/change/").status_code == 200
    assert auditor.post(f"{USERS}{sales.pk}/change/", form_of(sales, last_name="X")).status_code == 403
    assert auditor.get(USERS + "add/").status_code == 403
    assert auditor.confirm(f"{ADMIN}clients/client/{world.own_client.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize(
    "page",
    [
        "clients/client/",
        "clients/client/{client}/change/",
        "clients/client/?q=ann.own.company",
        "accounts/user/",
        "accounts/user/?q=sales@epic",
    ],
)
def test_an_auditor_is_shown_no_personal_data(page: str, world: World, visit: Any) -> None:
    address = ADMIN + page.format(client=world.own_client.pk)
    secrets = (b"ann.own.company@own.example", b"+33199001234", b"+33 1 99 00 12 34", b"sales@epic.example")
    assert any(secret in visit("management").get(address).content for secret in secrets)
    content = visit("auditor").get(address).content
    for secret in secrets:
        assert secret not in content


def test_the_noun_pages_work_for_a_manager(world: World, visit: Any) -> None:
    manager = visit("management")
    for page in ("clients/client", "contracts/contract", "events/event"):
        assert manager.get(f"{ADMIN}{page}/").status_code == 200
        assert manager.get(f"{ADMIN}{page}/?q=own").status_code == 200
        assert manager.get(f"{ADMIN}{page}/add/").status_code == 200
    for path in (
        f"clients/client/{world.own_client.pk}",
        f"contracts/contract/{world.own_draft.pk}",
        f"events/event/{world.own_event.pk}",
    ):
        for action in ("change", "delete", "history"):
            assert manager.get(f"{ADMIN}{path}/{action}/").status_code == 200, (path, action)


def test_a_rule_of_the_database_is_told_on_the_page(world: World, visit: Any) -> None:
    with acting_as(Role.SUPERUSER):
        prospect = make_client("Prospect", world.users["sales"], status="prospect")
    form = {
        "client": prospect.pk,
        "name": "Too early",
        "status": "draft",
        "amount": "10",
        "currency": "EUR",
        "payment_due": "2027-01-01",
    }
    page = visit("management").post(ADMIN + "contracts/contract/add/", form, follow=True)
    assert page.status_code == 200
    assert b"Turn the prospect into a client before making its contract." in page.content


def test_what_was_done_is_logged_and_nobody_changes_the_log(world: World, visit: Any) -> None:
    manager = visit("management")
    manager.post(f"{USERS}{world.users['unlinked'].pk}/change/", form_of(world.users["unlinked"], last_name="Logged"))
    page = manager.get(ADMIN + "admin/logentry/")
    assert b"unlinked" in page.content
    for name in ("management", "superuser"):
        assert visit(name).get(ADMIN + "admin/logentry/add/").status_code == 403
