"""Whoever gets another address for an account could choose its password: the old address is told."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail as django_mail
from django.db import DatabaseError

from access.database import acting_as
from access.policy import Role
from accounts.models import Mail, User
from accounts.outbox.delivery import deliver
from conftest import API, Caller, World

OLD, NEW = "sales@epic.example", "elsewhere@epic.example"


def by_the_manager(world: World, visit: Any) -> None:
    page = f"/hidden-admin/accounts/user/{world.users['sales'].pk}/change/"
    form = {"username": "sales", "role": "sales", "is_active": "on", "email": NEW}
    assert visit("management").post(page, form).status_code == 302


def by_its_owner(world: World, visit: Any) -> None:
    assert Caller.as_user(world.users["sales"]).patch(API + "users/me/", {"email": NEW}).status_code == 200


@pytest.mark.parametrize("change", [by_the_manager, by_its_owner])
def test_the_old_address_is_told_of_a_new_one(change: Any, world: World, visit: Any) -> None:
    change(world, visit)
    while deliver(timedelta(minutes=1)):
        pass
    (told,) = django_mail.outbox
    assert (told.to, "http" in told.body) == ([OLD], False)
    assert NEW not in told.body
    assert Mail.objects.get().sent_at is not None


def test_it_is_told_although_the_account_is_closed_meanwhile(world: World, visit: Any) -> None:
    by_the_manager(world, visit)
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="sales").update(is_active=False)
    while deliver(timedelta(minutes=1)):
        pass
    assert django_mail.outbox[0].to == [OLD]


def test_an_address_that_nobody_ever_used_is_told_nothing(world: World, visit: Any) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="sales").update(password="!never set")
        User.objects.filter(username="support").update(email="SUPPORT@epic.example")
    by_the_manager(world, visit)
    assert not Mail.objects.exists()


@pytest.mark.parametrize("kind", ["address_changed", "invitation"])
def test_a_manager_has_no_mail_sent_elsewhere(kind: str, world: World) -> None:
    key = world.users["sales"].pk
    with pytest.raises(DatabaseError, match="A link goes to the address of its account"), acting_as(Role.MANAGEMENT):
        Mail.objects.create(kind=kind, user_id=key, address="evil@evil.example")
