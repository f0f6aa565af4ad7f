"""Leave cover in the admin site."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from access.database import acting_as
from access.policy import Role
from accounts.models import Cover, User
from conftest import World, local

COVERS = "/hidden-admin/accounts/cover/"


def form(world: World, colleague: str = "other_sales", substitute: str = "sales", **changes: str) -> dict[str, Any]:
    start = local(timezone.now())
    end = start + timedelta(days=14)
    return {
        "colleague": world.users[colleague].pk, "substitute": world.users[substitute].pk, "reason": "Parental leave",
        "starts_at_0": f"{start:%Y-%m-%d}", "starts_at_1": f"{start:%H:%M:%S}",
        "ends_at_0": f"{end:%Y-%m-%d}", "ends_at_1": "00:00:00",
    } | changes  # fmt: skip


def stored() -> Cover:
    with acting_as(Role.SUPERUSER):
        return Cover.objects.get()


def events(caplog: Any) -> list[tuple[Any, ...]]:
    told = [record for record in caplog.records if record.message == "privilege_permissions_changed"]
    return [(one.change, one.account, one.colleague, one.cover, one.actor) for one in told]


def test_a_manager_grants_a_cover_and_ends_it(world: World, visit: Any, caplog: Any) -> None:
    caplog.set_level("INFO", logger="eecrm.security")
    manager = visit("management")
    assert b'name="granted_by"' not in manager.get(COVERS + "add/").content
    forged = form(world, granted_by=str(world.users["superuser"].pk))
    response = manager.post(COVERS + "add/", forged)
    assert response.status_code == 302, response.context["adminform"].form.errors
    cover = stored()
    assert cover.granted_by_id == world.users["management"].pk
    assert b"Parental leave" in manager.get(COVERS).content
    response = manager.confirm(COVERS, {"action": "end_now", "_selected_action": [cover.pk]}, follow=True)
    assert b"1 of the chosen covers ended now" in response.content
    assert stored().ends_at <= timezone.now()
    people = (world.users["sales"].pk, world.users["other_sales"].pk, cover.pk, world.users["management"].pk)
    assert events(caplog) == [("cover granted", *people), ("cover ended early", *people)]
    with acting_as(Role.SUPERUSER):
        assert LogEntry.objects.filter(object_id=str(cover.pk)).count() == 2
    response = manager.confirm(COVERS, {"action": "end_now", "_selected_action": [cover.pk]}, follow=True)
    assert b"0 of the chosen covers ended now" in response.content


def test_a_cover_is_ended_early_on_its_page_and_not_rewritten(world: World, visit: Any) -> None:
    manager = visit("management")
    manager.post(COVERS + "add/", form(world))
    before = stored()
    page = f"{COVERS}{before.pk}/change/"
    content = manager.get(page).content
    assert b'name="ends_at_0"' in content
    for name in (b"colleague", b"substitute", b"starts_at_0", b"reason"):
        assert b'name="%s"' % name not in content
    tomorrow = f"{local(timezone.now() + timedelta(days=1)):%Y-%m-%d}"
    response = manager.post(page, form(world, reason="Other", ends_at_0=tomorrow, ends_at_1="12:00:00"))
    assert response.status_code == 302
    assert (stored().reason, f"{local(stored().ends_at):%Y-%m-%d %H}") == ("Parental leave", f"{tomorrow} 12")
    answer = manager.post(page, form(world), follow=True)
    assert b"A cover can only be ended early: make another one instead." in answer.content


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"colleague": "management"}, "Select a valid choice."),
        ({"colleague": "partner"}, "Select a valid choice."),
        ({"substitute": "inactive"}, "Select a valid choice."),
        ({"substitute": "superuser"}, "Select a valid choice."),
        ({"substitute": "support"}, "Somebody covers for a colleague of the same role."),
        ({"substitute": "other_sales"}, "Nobody covers for themselves."),
        ({"reason": " "}, "This field is required."),
        ({"ends_at_0": "2020-01-01"}, "A cover ends in the future."),
        ({"ends_at_0": "2199-01-01"}, "A cover lasts at most 180 days."),
        ({"ends_at_0": "never"}, "Enter a valid date."),
        ({"starts_at_0": ""}, "This field is required."),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_on_the_form_which_keeps_its_input(
    changes: dict[str, str], sentence: str, world: World, visit: Any
) -> None:
    with acting_as(Role.SUPERUSER):
        world.users["inactive"] = User.objects.create_user("inactive", role=Role.SALES, is_active=False)
    response = visit("management").post(COVERS + "add/", form(world, **changes))
    assert (response.status_code, sentence in response.content.decode()) == (200, True)
    if "reason" not in changes:
        assert b"Parental leave" in response.content
    with acting_as(Role.SUPERUSER):
        assert not Cover.objects.exists()


def test_the_lists_offer_active_contacts_only(world: World, visit: Any) -> None:
    page = visit("management").get(COVERS + "add/").content.decode()
    offered = page.split('name="substitute"')[1].split("</select>")[0]
    assert {name for name in world.users if f">{name}</option>" in offered} == {
        "sales", "other_sales", "support", "other_support",
    }  # fmt: skip


def test_an_auditor_reads_covers_and_ends_none(world: World, visit: Any) -> None:
    visit("management").post(COVERS + "add/", form(world))
    auditor, before = visit("auditor"), stored()
    assert b"Parental leave" in auditor.get(COVERS + "?q=sales").content
    page = auditor.get(f"{COVERS}{before.pk}/change/")
    assert (page.status_code, b'name="ends_at_0"' in page.content) == (200, False)
    auditor.confirm(COVERS, {"action": "end_now", "_selected_action": [before.pk]})
    assert stored().ends_at == before.ends_at


def test_whoever_was_covered_is_not_deleted_and_the_page_says_so(world: World, visit: Any) -> None:
    with acting_as(Role.SUPERUSER):
        ada, bob = (User.objects.create_user(name, role=Role.SALES) for name in ("ada", "bob"))
        Cover.objects.create(colleague=ada, substitute=bob, ends_at=timezone.now() + timedelta(days=1), reason="Leave")
    for user in (ada, bob):
        page = visit("management").confirm(f"/hidden-admin/accounts/user/{user.pk}/delete/", {"post": "yes"})
        assert b"Cover: bob for ada" in page.content
        assert User.objects.filter(pk=user.pk).exists()
