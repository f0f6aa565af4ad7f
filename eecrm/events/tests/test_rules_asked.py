"""A request resolves each rule of the policy table once."""

from collections import Counter
from typing import Any

import pytest
from django.urls import reverse

from access import policy
from access.database import acting_as
from access.policy import Caller as Asker
from access.policy import Role, Rule
from access.querysets import owns
from audit.tests.site_forms import Tab
from conftest import API, Caller, Visitor, World
from events.models import Event


@pytest.fixture
def asked(monkeypatch: Any) -> Counter[str]:
    """How often each cell of the table was asked since the last `clear`."""
    cells: Counter[str] = Counter()
    resolve = policy.rule

    def counted(user: Asker, resource: str, action: str) -> Rule:
        cells[f"{resource}.{action}"] += 1
        return resolve(user, resource, action)

    monkeypatch.setattr(policy, "rule", counted)
    return cells


CONTRACT = {"name": "Spring gala", "amount": "10.00", "payment_due": "2027-05-01"}


@pytest.mark.parametrize("name", ["sales", "management", "auditor", "partner"])
def test_reading_resolves_each_rule_once(name: str, world: World, asked: Counter[str]) -> None:
    caller = Caller.as_user(world.users[name])
    for path in (
        "clients/",
        "clients/?search=own&count=true",
        "contracts/?mine=true",
        f"clients/{world.own_client.pk}/",
    ):
        for _ in range(2):  # the first request compiles its query
            asked.clear()
            assert caller.get(API + path).status_code == 200
        assert set(asked.values()) == {1}, (path, asked)


@pytest.mark.parametrize("name", ["sales", "management"])
def test_writing_resolves_each_rule_once(name: str, world: World, asked: Counter[str]) -> None:
    caller = Caller.as_user(world.users[name])
    contracts = f"{API}clients/{world.own_client.pk}/contracts/"
    assert caller.post(contracts, CONTRACT).status_code == 201
    assert caller.get(f"{contracts}{world.own_draft.pk}/").status_code == 200
    # The first change and the first deletion of a process compile their queries.
    assert caller.patch(f"{contracts}{world.own_draft.pk}/", {"name": "Winter gala"}).status_code == 200
    assert caller.delete(f"{contracts}{world.own_draft.pk + 1_000}/").status_code == 404
    client = {"company_name": "New", "first_name": "A", "last_name": "B", "email": "a@new.example"}
    client |= {"sales_contact_id": world.users["sales"].pk}
    for send, path, body in (
        (caller.post, contracts, CONTRACT),
        (caller.post, f"{API}clients/", client),
        (caller.patch, f"{contracts}{world.own_draft.pk}/", {"name": "Autumn gala", "status": "signed"}),
        (caller.delete, f"{contracts}{world.other_draft.pk}/", None),
        (caller.delete, f"{contracts}{world.own_draft.pk}/", None),
    ):
        asked.clear()
        assert send(path, body).status_code in (200, 201, 204, 404, 409)
        assert set(asked.values()) == {1}, (path, asked)


def test_a_page_of_the_admin_site_resolves_each_rule_once(world: World, asked: Counter[str]) -> None:
    browser = Visitor()
    browser.force_login(world.users["management"])
    path = reverse("admin:clients_client_change", args=[world.own_client.pk])
    asked.clear()
    tab = Tab(browser, path)
    assert asked["client.update"] == 1, asked
    asked.clear()
    assert tab.send(company_name="Another name").status_code == 302
    assert set(asked.values()) == {1}, asked


def test_a_rule_of_another_resource_narrows_no_list(world: World) -> None:
    with pytest.raises(ValueError, match="decides on no event"):
        Event.objects.permitted_by(policy.rule(world.users["sales"], "client", "list"))


def test_a_row_that_is_owned_through_its_parents_is_owned_by_a_substitute_too(world: World) -> None:
    """For an event a partner's ownership leads through two parents; no column of its own names the owner."""
    partner = world.users["partner"]
    partner.covered_ids = (world.users["unlinked"].pk,)
    with acting_as(Role.SUPERUSER):
        assert owns(partner, world.own_event)
        assert not owns(partner, world.other_event)
