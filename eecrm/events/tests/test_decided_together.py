"""What is decided together: who writes a part of it on a page of the admin site has seen the rest of it as it is."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db.models import Model

from access.database import acting_as
from access.policy import Role
from accounts.models import ExternalIdentity, User
from accounts.tests.people import newcomer
from audit.tests.site_forms import Tab
from clients.models import Client
from conftest import API, World
from contracts.models import Contract
from events.models import Event
from events.tests.test_nobody_overwrites import authors, fresh, place, tabs  # noqa: F401  # a fixture


def test_nobody_signs_an_amount_that_they_never_saw(world: World, visit: Any, caller: Any) -> None:
    tab = Tab(visit("management"), place(world.own_draft))
    assert caller("sales").patch(f"{API}contracts/{world.own_draft.pk}/", {"amount": "1.00"}).status_code == 200
    page = tab.send(status="signed")
    content = page.content.decode()
    assert page.status_code == 200
    assert "Nothing is saved yet: Amount changed while you had the page open." in content
    assert "What you changed is decided together with that: Status." in content
    assert "What is decided together with this was changed while you had the page open: see above." in content
    assert 'value="Save mine beside theirs"' in content
    assert "correct the error" not in content
    assert [(one.person.text, one.entry.channel) for one in page.context["changes"]] == [("sales", "api")]
    assert (tab.form["amount"], tab.form["status"]) == (["1.00"], ["signed"])
    assert fresh(world.own_draft).status == "draft"
    assert tab.send().status_code == 302
    row = fresh(world.own_draft)
    assert (row.status, str(row.amount)) == ("signed", "1.00")
    assert authors(row) == [("sales", {"amount"}), ("management", {"status", "signed_at"})]


def test_an_amount_that_was_signed_meanwhile_stays_until_one_knows(world: World, visit: Any, caller: Any) -> None:
    before = fresh(world.own_draft).amount
    tab = Tab(visit("management"), place(world.own_draft))
    assert caller("sales").patch(f"{API}contracts/{world.own_draft.pk}/", {"status": "signed"}).status_code == 200
    page = tab.send(amount="1.00")
    assert b"Nothing is saved yet: Status changed while you had the page open." in page.content
    assert "Replace with mine" not in page.content.decode()
    assert fresh(world.own_draft).amount == before
    assert tab.send(change_reason="A discount").status_code == 302
    assert str(fresh(world.own_draft).amount) == "1.00"


def test_what_one_changed_oneself_elsewhere_counts_too(world: World, visit: Any) -> None:
    browser = visit("management")
    first, second = Tab(browser, place(world.own_draft)), Tab(browser, place(world.own_draft))
    assert first.send(amount="1.00").status_code == 302
    assert second.send(status="signed").status_code == 200
    assert fresh(world.own_draft).status == "draft"


VALUES: dict[type[Model], dict[str, tuple[Any, dict[str, Any]]]] = {
    Contract: {
        "status": ("signed", {"status": "signed"}), "name": ("Other", {"name": "Other"}), "amount": ("1.00", {"amount": "1"}),
        "payment_due": ("2027-09-09", {"payment_due": "2027-09-09"}),
    },
    Event: {
        "status": ("closed", {"status": "closed"}), "name": ("Other", {"name": "Other"}), "attendees": (7, {"attendees": "7"}),
        "location": ("Other", {"location": "Other"}), "notes": ("Other", {"notes": "Other"}), "support_contact": (None, {"support_contact": ""}),
        "starts_at": ("2027-04-04T10:00Z", {"starts_at_0": "2027-04-04", "starts_at_1": "10:00"}),
        "ends_at": ("2027-04-05T10:00Z", {"ends_at_0": "2027-04-05", "ends_at_1": "10:00"}),
    },
    Client: {
        "first_name": ("Other", {"first_name": "Other"}), "last_name": ("Other", {"last_name": "Other"}),
        "email": ("other@other.example", {"email": "other@other.example"}),
    },
    User: {"role": ("support", {"role": "support"}), "is_active": (False, {"is_active": []})},
}  # fmt: skip
PAIRS = [
    (model, theirs, mine)
    for model, values in VALUES.items()
    for together in model.decided_together  # type: ignore[attr-defined]  # ours
    for theirs in together
    for mine in together
    if theirs != mine and {theirs, mine} <= set(values)
]


def row_of(model: type[Model], world: World) -> Any:
    rows = (world.own_draft, world.own_event, world.own_client, world.users["unlinked"])
    return next(row for row in rows if isinstance(row, model))


@pytest.mark.parametrize(("model", "theirs", "mine"), PAIRS)
def test_each_pair_that_is_decided_together_is_asked_about(
    model: type[Model], theirs: str, mine: str, world: World, visit: Any
) -> None:
    row = row_of(model, world)
    tab = Tab(visit("management"), place(row))
    with acting_as(Role.SUPERUSER):
        model._default_manager.filter(pk=row.pk).update(**{theirs: VALUES[model][theirs][0]})
    before = getattr(fresh(row), mine)
    page = tab.send(**VALUES[model][mine][1])
    assert page.status_code == 200
    assert page.context["clashing"] == [str(page.context["adminform"].form[theirs].label)]
    assert page.context["beside"] == [str(page.context["adminform"].form[mine].label)]
    assert getattr(fresh(row), mine) == before
    assert tab.send().status_code == 302
    assert authors(row)[-1][0] == "management"


def test_what_belongs_to_nothing_else_is_still_put_together(world: World, tabs: Any) -> None:
    for row, theirs, mine in (
        (world.own_event, {"attendees": 7}, {"location": "Other"}),
        (world.own_client, {"company_name": "Other"}, {"email": "other@other.example"}),
        (world.users["unlinked"], {"job_title": "Other"}, {"role": "support"}),
    ):
        first, second = tabs(place(row))
        assert first.send(**theirs).status_code == 302
        assert second.send(**mine).status_code == 302


# What an account may do: groups and the identity below it


@pytest.fixture
def provided(settings: Any) -> None:
    settings.OIDC_ISSUER = "https://provider.example"


def test_a_group_is_not_given_with_a_role_that_one_never_saw(world: World, tabs: Any) -> None:
    person = world.users["unlinked"]
    with acting_as(Role.SUPERUSER):
        key = Group.objects.get_or_create(name="PII")[0].pk
    first, second = tabs(place(person))
    third = Tab(first.browser, first.path)
    assert first.send(role="support").status_code == 302
    page = second.send(groups=[str(key)])
    assert b"Nothing is saved yet: Role changed while you had the page open." in page.content
    assert not person.groups.exists()
    assert second.send().status_code == 302
    page = third.send(is_active=[])
    assert page.context["clashing"] == ["Groups", "Role"]


def test_an_identity_is_not_bound_with_a_role_that_one_never_saw(world: World, provided: None, visit: Any) -> None:
    person = world.users["unlinked"]
    first, second, third = (Tab(visit("superuser"), place(person)) for _ in range(3))
    with acting_as(Role.SUPERUSER):
        User.objects.filter(pk=person.pk).update(role="auditor")
    page = first.send(**{"identity-0-subject": "new"})
    assert b"Nothing is saved yet: Role changed while you had the page open." in page.content
    assert page.context["beside"] == ["External identity"]
    assert first.form["identity-0-subject"] == ["new"]
    assert not ExternalIdentity.objects.exists()
    assert first.send().status_code == 302
    assert ExternalIdentity.objects.get().user_id == person.pk
    page = second.send(is_active=[])
    assert set(page.context["clashing"]) == {"Role", "External identity"}
    assert {one.kind for one in page.context["changes"]} == {"user", "external identity"}
    assert third.send(last_name="Renamed").status_code == 302  # which has nothing to do with it


def test_nobody_is_made_a_manager_with_an_address_that_one_never_saw(world: World, tabs: Any) -> None:  # noqa: F811
    """The invitation of somebody who hasn't come yet goes to whatever address there is."""
    person = newcomer()
    first, second = tabs(place(person))
    third = Tab(first.browser, first.path)
    assert first.send(email="friend@evil.example").status_code == 302
    page = second.send(role="management")
    assert b"Nothing is saved yet: Email changed while you had the page open." in page.content
    assert fresh(person).role == "sales"
    assert second.send().status_code == 302
    assert third.send(email="ann@epic.example").context["clashing"] == ["Email", "Role"]


# What was put right by somebody else isn't undone by the button *Back*


@pytest.mark.parametrize("way", ["site", "api"])
def test_a_page_that_is_sent_again_does_not_undo_what_was_put_right(
    way: str, world: World, visit: Any, caller: Any
) -> None:
    row, was = world.own_client, world.own_client.company_name
    tab = Tab(visit("management"), place(row))
    assert tab.send(company_name="Wrong Name Ltd").status_code == 302
    if way == "site":
        assert Tab(visit("other_management"), place(row)).send(company_name=was).status_code == 302
    else:
        assert caller("sales").patch(f"{API}clients/{row.pk}/", {"company_name": was}).status_code == 200
    page = tab.send(company_name="Wrong Name Ltd")
    assert page.status_code == 200
    assert b"Nothing is saved yet: Company name changed while you had the page open." in page.content
    author = "other_management" if way == "site" else "sales"
    assert [one.person.text for one in page.context["changes"]] == ["management", author]
    assert fresh(row).company_name == was
    assert tab.send().status_code == 302
    assert fresh(row).company_name == "Wrong Name Ltd"


def test_a_page_that_is_sent_twice_writes_once(world: World, visit: Any) -> None:
    tab = Tab(visit("management"), place(world.own_client))
    assert [tab.send(company_name="New name").status_code for _ in range(2)] == [302, 302]
    assert len(authors(world.own_client)) == 1


def test_a_group_that_was_taken_away_does_not_come_back(world: World, tabs: Any) -> None:
    person = world.users["unlinked"]
    with acting_as(Role.SUPERUSER):
        keys = {name: str(Group.objects.get_or_create(name=name)[0].pk) for name in ("PII", "Night shift")}
    first, second = tabs(place(person))
    third = Tab(second.browser, second.path)
    assert first.send(groups=[keys["PII"]]).status_code == 302
    assert Tab(second.browser, second.path).send(groups=[]).status_code == 302
    page = first.send(groups=[keys["PII"]])
    assert b"Nothing is saved yet: Groups changed while you had the page open." in page.content
    assert [one.person.text for one in page.context["changes"]] == ["management", "other_management"]
    assert not person.groups.exists()
    assert third.send(groups=[keys["Night shift"]]).status_code == 302  # another one is no clash
    assert first.send().status_code == 302
    assert {group.name for group in person.groups.all()} == {"PII", "Night shift"}


def test_an_identity_that_was_taken_away_does_not_come_back(world: World, provided: None, visit: Any) -> None:
    tab = Tab(visit("superuser"), place(world.users["sales"]))
    assert tab.send(**{"identity-0-subject": "wrong"}).status_code == 302
    assert Tab(visit("superuser"), tab.path).send(**{"identity-0-DELETE": "on"}).status_code == 302
    page = tab.send(**{"identity-0-subject": "wrong"})
    assert b"Nothing is saved yet: External identity changed while you had the page open." in page.content
    assert not ExternalIdentity.objects.exists()
    assert tab.send().status_code == 302
    assert ExternalIdentity.objects.get().subject == "wrong"
