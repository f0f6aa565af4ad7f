"""A form of the admin site that is sent twice makes one row."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from access.database import acting_as
from access.policy import Role
from accounts.models import Cover, Mail, User
from audit.admin.page_versions import PAGE_VERSION_FIELD
from audit.tests.site_forms import Tab, form_on
from clients.models import Client
from conftest import World
from contracts.models import Contract
from events.models import Event

ADMIN = "/hidden-admin/"


def typed_in(noun: str, world: World) -> dict[str, Any]:
    people = {name: user.pk for name, user in world.users.items()}
    today = timezone.now().date()
    return {
        "clients/client": {"company_name": "New", "status": "prospect", "sales_contact": people["sales"], "first_name": "A", "last_name": "B", "email": "new@new.example"},
        "contracts/contract": {"client": world.own_client.pk, "name": "New", "amount": "10", "payment_due": date(2027, 5, 1)},
        "events/event": {"contract": world.own_signed.pk, "name": "New", "starts_at_0": "2027-05-01", "starts_at_1": "10:00", "attendees": 5, "location": "Paris"},
        "accounts/user": {"username": "newcomer", "role": "sales", "email": "newcomer@epic.example"},
        "accounts/cover": {"colleague": people["sales"], "substitute": people["other_sales"], "starts_at_0": today, "starts_at_1": "00:00", "ends_at_0": today + timedelta(days=2), "ends_at_1": "10:00", "reason": "Leave"},
        "auth/group": {"name": "Newcomers"},
    }[noun]  # fmt: skip


MODELS: dict[str, Any] = {
    "clients/client": Client,
    "contracts/contract": Contract,
    "events/event": Event,
    "accounts/user": User,
    "accounts/cover": Cover,
    "auth/group": Group,
}


def count(noun: str) -> int:
    with acting_as(Role.SUPERUSER):
        return int(MODELS[noun]._default_manager.count())


def stored(model: Any, **filters: Any) -> list[Any]:
    with acting_as(Role.SUPERUSER):
        return list(model._default_manager.filter(**filters).order_by("-pk"))


@pytest.mark.parametrize("button", ["_save", "_addanother", "_continue"])
@pytest.mark.parametrize("noun", MODELS)
def test_a_form_that_is_sent_twice_makes_one(noun: str, button: str, world: World, visit: Any) -> None:
    before, tab = count(noun), Tab(visit("management"), f"{ADMIN}{noun}/add/")
    typed = typed_in(noun, world)
    assert tab.send(button, **typed).status_code == 302
    second = tab.send(button, **typed)
    with acting_as(Role.SUPERUSER):
        row = MODELS[noun]._default_manager.order_by("-pk")[0]
    assert (second.status_code, second.url) == (302, f"{ADMIN}{noun}/{row.pk}/change/")
    assert "before, and nothing was made twice." in tab.browser.get(second.url).content.decode()
    assert count(noun) == before + 1
    if noun == "accounts/user":
        assert Mail.objects.filter(user=row).count() == 1


def test_two_forms_make_two(world: World, visit: Any) -> None:
    before, browser = count("events/event"), visit("management")
    for _ in range(2):
        assert Tab(browser, f"{ADMIN}events/event/add/").send(**typed_in("events/event", world)).status_code == 302
    assert count("events/event") == before + 2


def test_going_back_to_change_what_was_made_says_that_it_is_not_saved(world: World, visit: Any) -> None:
    tab = Tab(visit("management"), f"{ADMIN}contracts/contract/add/")
    typed = typed_in("contracts/contract", world)
    tab.send(**typed)
    second = tab.send(**typed | {"name": "Changed my mind"})
    assert "change it here" in tab.browser.get(second.url).content.decode()
    assert not stored(Contract, name="Changed my mind")


@pytest.mark.parametrize("refused_by", ["form", "database"])
def test_what_was_refused_is_corrected_and_sent_again(refused_by: str, world: World, visit: Any) -> None:
    before, tab = count("events/event"), Tab(visit("management"), f"{ADMIN}events/event/add/")
    typed = typed_in("events/event", world)
    wrong = {"name": ""} if refused_by == "form" else {"contract": world.own_draft.pk}
    answer = tab.send(**typed | wrong)
    assert (answer.status_code, count("events/event")) == (200, before)
    if refused_by == "database":
        assert "Sign the contract before planning its event." in answer.content.decode()
    assert (tab.form["attendees"], tab.form["location"]) == (["5"], ["Paris"])
    assert tab.send(**typed).status_code == 302
    assert tab.send(**typed).status_code == 302
    assert count("events/event") == before + 1


@pytest.mark.parametrize("mark", ["", "x", "of_another_visitor"])
def test_a_form_without_its_one_time_id_makes_nothing_and_is_shown_again(mark: str, world: World, visit: Any) -> None:
    before, path = count("contracts/contract"), f"{ADMIN}contracts/contract/add/"
    if mark == "of_another_visitor":
        mark = form_on(visit("other_management").get(path))[PAGE_VERSION_FIELD][0]
    tab = Tab(visit("management"), path)
    assert tab.send(**typed_in("contracts/contract", world), **{PAGE_VERSION_FIELD: mark}).status_code == 200
    assert (count("contracts/contract"), tab.form["name"]) == (before, ["New"])
    assert tab.send().status_code == 302
    assert count("contracts/contract") == before + 1


def test_what_was_made_and_deleted_is_not_made_again(world: World, visit: Any) -> None:
    before, tab = count("contracts/contract"), Tab(visit("management"), f"{ADMIN}contracts/contract/add/")
    typed = typed_in("contracts/contract", world)
    tab.send(**typed)
    with acting_as(Role.SUPERUSER):
        Contract.objects.filter(name="New").delete()
    answer = tab.send(**typed)
    assert "which was deleted since" in tab.browser.get(answer.url).content.decode()
    assert count("contracts/contract") == before


def test_a_pop_up_that_is_sent_twice_chooses_the_same_row(world: World, visit: Any) -> None:
    tab = Tab(visit("management"), f"{ADMIN}clients/client/add/?_popup=1")
    assert tab.form["_popup"] == ["1"]
    typed = typed_in("clients/client", world)
    answers = [tab.send(**typed) for _ in range(2)]
    (row,) = stored(Client, company_name="New")
    for answer in answers:
        assert answer.status_code == 200
        assert f"&quot;value&quot;: &quot;{row.pk}&quot;" in answer.content.decode()


def test_save_as_new_is_off_even_where_somebody_sends_it(world: World, visit: Any) -> None:
    before, tab = (
        count("clients/client"),
        Tab(visit("management"), f"{ADMIN}clients/client/{world.own_client.pk}/change/"),
    )
    assert tab.send("_saveasnew", email="copy@own.example").status_code == 302
    assert count("clients/client") == before
    assert stored(Client, pk=world.own_client.pk)[0].email == "copy@own.example"
