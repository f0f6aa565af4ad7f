"""Managers are told which accounts have another name or address: at most a mail a day, by username and key."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from access.database import acting_as
from access.policy import Role
from accounts.models import Mail, User
from accounts.outbox.news import MAX_LINES
from accounts.tests.people import account, newcomer, sent
from accounts.tests.test_address_changes import NEW, OLD, by_the_site, page_of
from conftest import API, CAST, PASSWORD, Caller, World


def news() -> dict[str, str]:
    return {message.to[0]: str(message.body) for message in sent() if message.subject.startswith("News of accounts")}


def test_all_managers_are_told_by_account_and_key(world: World, visit: Any, tmp_path: Path) -> None:
    by_the_site(world, visit, tmp_path)
    told = news()
    assert set(told) == {"management@epic.example", "other_management@epic.example"}
    sales, manager = world.users["sales"], world.users["management"]
    for body in told.values():
        assert f"sales (account {sales.pk}): another address was asked for" in body
        assert f"by management (account {manager.pk})" in body
        assert NEW not in body


@pytest.mark.parametrize("name", CAST)
def test_a_new_display_name_is_told_to_managers(name: str, world: World, caller: Any) -> None:
    assert caller(name).patch(API + "users/me/", {"first_name": "Helen", "last_name": "Fletcher"}).status_code == 200
    told = news()
    assert set(told) == {"management@epic.example", "other_management@epic.example"}
    assert f"{name} (account {world.users[name].pk}): another display name" in told["management@epic.example"]
    assert "Helen" not in told["management@epic.example"]


def test_active_managers_and_superusers_with_a_confirmed_address_are_told(world: World, sales: Caller) -> None:
    newcomer("fresh", role=Role.MANAGEMENT)
    with acting_as(Role.SUPERUSER):
        User.objects.create_user("left", PASSWORD, role=Role.MANAGEMENT, email="left@epic.example", is_active=False)
        User.objects.create_superuser("boss", PASSWORD, email="boss@epic.example")
    assert sales.patch(API + "users/me/", {"last_name": "A"}).status_code == 200
    told = Mail.objects.filter(kind="account_news").values_list("user__username", flat=True)
    assert set(told) == {"management", "other_management", "boss"}


def test_managers_get_one_such_mail_a_day(world: World, sales: Caller, support: Caller) -> None:
    me = API + "users/me/"
    sales.patch(me, {"last_name": "A"})
    assert len(news()) == 2
    for number in range(5):
        sales.patch(me, {"last_name": f"B{number}"})
        support.patch(me, {"last_name": f"C{number}"})
    assert news() == {}
    waiting = Mail.objects.filter(kind="account_news", sent_at=None)
    assert waiting.count() == 2
    for mail in waiting:
        assert timedelta(hours=23) < mail.due_at - timezone.now() <= timedelta(days=1)
    Mail.objects.filter(sent_at=None).update(due_at=timezone.now() - timedelta(seconds=1))
    told = news()
    assert len(told) == 2
    assert told["management@epic.example"].count("another display name") == 2, "of each the last one"


def test_what_is_told_at_once_takes_a_name_that_waits_along(world: World, sales: Caller) -> None:
    for name, told in (("A", 2), ("B", 0)):
        sales.patch(API + "users/me/", {"last_name": name})
        assert len(news()) == told
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        User.objects.filter(username="support").update(role="management")
    body = news()["other_management@epic.example"]
    assert "became a manager" in body and "another display name" in body


def test_a_mail_of_news_is_not_long(world: World) -> None:
    for number in range(MAX_LINES + 2):
        with acting_as(Role.SUPERUSER, user_id=world.users["superuser"].pk):
            User.objects.create_user(f"manager{number}", role=Role.MANAGEMENT)
    body = news()["management@epic.example"]
    assert body.count(" UTC: ") == MAX_LINES
    assert "\n- and 5 more\n" in body  # two, and the three managers of the world, who are new


def test_what_a_manager_changes_of_a_name_is_no_news(world: World, visit: Any) -> None:
    user = world.users["sales"]
    form = {"username": "sales", "role": "sales", "is_active": "on", "email": OLD, "first_name": "Corrected"}
    assert visit("management").post(page_of(user), form).status_code == 302
    assert account("sales").first_name == "Corrected"
    assert not Mail.objects.exists()


@pytest.mark.parametrize(
    ("change", "error"),
    [({"is_active": False}, "The account is inactive."), ({"role": "sales"}, "The account is no manager's any more.")],
)
def test_who_is_no_manager_any_more_gets_no_news(
    change: dict[str, Any], error: str, world: World, sales: Caller
) -> None:
    sales.patch(API + "users/me/", {"last_name": "A"})
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="other_management").update(**change)
    assert set(news()) == {"management@epic.example"}
    assert Mail.objects.get(user=world.users["other_management"]).error == error
