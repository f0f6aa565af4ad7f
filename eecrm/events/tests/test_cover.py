"""Leave cover: what a substitute may while it lasts, and no moment longer. `sales` covers for `other_sales`."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from access import policy
from access.database import acting_as
from access.policy import Role
from access.tests.paths import address, below, body_of
from accounts.models import Cover, User
from clients.models import Client
from conftest import API, Caller, World
from contracts.models import Contract
from events.models import Event

ME = API + "users/me/permissions/"


def make_cover(world: World, colleague: str, substitute: str, **fields: Any) -> Cover:
    now = timezone.now()
    times = {"starts_at": now - timedelta(days=1), "ends_at": now + timedelta(days=20)}
    with acting_as(Role.SUPERUSER):
        return Cover.objects.create(
            **{"colleague": world.users[colleague], "substitute": world.users[substitute], "reason": "Parental leave"}
            | times
            | fields
        )


@pytest.fixture
def cover(world: World) -> Cover:
    return make_cover(world, "other_sales", "sales")


def end(cover: Cover) -> None:
    with acting_as(Role.SUPERUSER):
        Cover.objects.filter(pk=cover.pk).update(ends_at=timezone.now() - timedelta(seconds=1))


def tries(world: World, person: Caller) -> dict[str, int]:
    """What a salesperson does with the rows of `other_sales`, and how it is answered."""
    contract = person.post(below(world.other_client), body_of("contract", world))
    return {
        "create a contract": contract.status_code,
        "update": person.patch(address(world.other_draft), {"name": "Changed"}).status_code,
        "sign": person.patch(address(world.other_draft, nested=False), {"status": "signed"}).status_code,
        "create an event": person.post(below(world.other_signed), body_of("event", world)).status_code,
        "delete": person.delete(contract.json()["url"]).status_code if contract.status_code == 201 else 403,
    }


REFUSED = {"create a contract": 403, "update": 403, "sign": 403, "create an event": 403, "delete": 403}


def test_a_substitute_acts_as_the_colleague_until_it_ends(world: World, cover: Cover, caller: Any) -> None:
    assert tries(world, caller("sales")) == {
        "create a contract": 201, "update": 200, "sign": 200, "create an event": 201, "delete": 204,
    }  # fmt: skip
    end(cover)
    assert tries(world, caller("sales")) == REFUSED


@pytest.mark.parametrize(
    ("starts_in", "ends_in"), [(-9, -1), (1, 9)], ids=["a cover that is over", "a cover that hasn't begun"]
)
def test_out_of_its_time_it_lends_nothing(starts_in: int, ends_in: int, world: World, sales: Caller) -> None:
    now = timezone.now()
    make_cover(
        world, "other_sales", "sales", starts_at=now + timedelta(days=starts_in), ends_at=now + timedelta(days=ends_in)
    )
    assert tries(world, sales) == REFUSED
    assert sales.get(ME).json()["covering"] == []


def test_the_colleague_keeps_everything_and_gets_nothing(world: World, cover: Cover, other_sales: Caller) -> None:
    assert other_sales.patch(address(world.other_draft), {"name": "Mine"}).status_code == 200
    assert other_sales.patch(address(world.own_draft), {"name": "Not mine"}).status_code == 403


def test_cover_is_no_assignment(world: World, cover: Cover, sales: Caller) -> None:
    change = {"sales_contact_id": world.users["sales"].pk}
    assert sales.patch(address(world.other_client), change).json()["rule"] == "client.assign.sales.none"


def test_support_covers_for_support(world: World, caller: Any) -> None:
    assert caller("support").patch(address(world.other_event), {"notes": "x"}).status_code == 403
    cover = make_cover(world, "other_support", "support")
    assert caller("support").patch(address(world.other_event), {"notes": "x"}).status_code == 200
    assert caller("support").delete(address(world.other_event)).status_code == 204
    end(cover)
    assert caller("other_support").patch(address(world.own_event), {"notes": "x"}).status_code == 403


def test_covers_do_not_chain(world: World, cover: Cover, caller: Any) -> None:
    with acting_as(Role.SUPERUSER):
        world.users["third"] = User.objects.create_user("third", role=Role.SALES)
    make_cover(world, "sales", "third")
    assert caller("third").patch(address(world.own_draft), {"name": "Covered"}).status_code == 200
    assert caller("third").patch(address(world.other_draft), {"name": "Not covered"}).status_code == 403


def test_who_covers_may_make_a_client_for_the_colleague_and_is_the_contact_otherwise(
    world: World, cover: Cover, caller: Any
) -> None:
    body = body_of("client", world, contact="")
    own = caller("sales").post(API + "clients/", body)
    assert own.json()["sales_contact"]["id"] == world.users["sales"].pk
    named = body | {"email": "two@new.example", "sales_contact_id": world.users["other_sales"].pk}
    assert caller("sales").post(API + "clients/", named).status_code == 201
    end(cover)
    assert caller("sales").post(API + "clients/", named | {"email": "three@new.example"}).status_code == 403


def test_mine_stays_whose_contact_one_is(world: World, cover: Cover, sales: Caller) -> None:
    for collection, row in (("clients", world.own_client), ("events", world.own_event)):
        listed = sales.get(f"{API}{collection}/?mine=true").json()["results"]
        assert [one["id"] for one in listed] == [row.pk]
    assert world.own_client.pk not in {row["id"] for row in sales.get(f"{API}clients/?mine=false").json()["results"]}


def test_lists_and_single_rows_agree_under_a_cover(world: World, cover: Cover, sales: Caller) -> None:
    user = User.objects.get(pk=world.users["sales"].pk)
    assert user.covered_ids == (world.users["other_sales"].pk,)
    rows = {Client: "clients", Contract: "contracts", Event: "events"}
    with acting_as(Role.SUPERUSER):
        owned = {model: set(model.objects.owned_by(user).values_list("pk", flat=True)) for model in rows}  # type: ignore[attr-defined]  # ours
        every = {model: set(model.objects.values_list("pk", flat=True)) for model in rows}  # type: ignore[attr-defined]  # as above
    assert owned == every  # the world's two salespeople are all its contacts
    for model, collection in rows.items():
        listed = {row["id"] for row in sales.get(f"{API}{collection}/").json()["results"]}
        assert listed == {key for key in every[model] if sales.get(f"{API}{collection}/{key}/").status_code == 200}


def test_who_covers_for_nobody_asks_as_before(world: World) -> None:
    user = User.objects.get(pk=world.users["sales"].pk)
    user.covered_ids = ()
    sql = str(Contract.objects.owned_by(user).query)
    assert f'"sales_contact_id" = {user.pk}' in sql
    assert " IN (" not in sql
    user.covered_ids = (7, 8)
    assert f'"sales_contact_id" IN ({user.pk}, 7, 8)' in str(Contract.objects.owned_by(user).query)


def test_a_cover_costs_no_statement_more(world: World, caller: Any) -> None:
    def statements(change: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert person.patch(address(world.own_draft), {"name": change}).status_code == 200
            assert person.get(f"{API}contracts/").status_code == 200
            assert person.get(ME).status_code == 200
        return len(queries)

    person = caller("sales")
    statements("Zero")  # with the first requests a worker takes some of the limit, by the dozen
    without = statements("One")
    make_cover(world, "other_sales", "sales")
    assert statements("Two") == without
    with acting_as(Role.SUPERUSER):
        for number in range(5):
            world.users[f"colleague{number}"] = User.objects.create_user(f"colleague{number}", role=Role.SALES)
    for number in range(5):
        make_cover(world, f"colleague{number}", "sales")
    assert statements("Three") == without


def test_both_are_told(world: World, cover: Cover, caller: Any) -> None:
    until = caller("sales").get(ME).json()["covering"][0].pop("until")
    shown = {
        "id": world.users["other_sales"].pk,
        "name": "Other_Sales Person",
        "until": until,
        "reason": "Parental leave",
    }
    assert until.startswith(f"{cover.ends_at:%Y-%m-%dT%H:%M:%S}")
    answer = caller("sales").get(ME).json()
    assert (answer["covering"], answer["covered_by"]) == ([shown], [])
    answer = caller("other_sales").get(ME).json()
    shown |= {"id": world.users["sales"].pk, "name": "Sales Person"}
    assert (answer["covering"], answer["covered_by"]) == ([], [shown])
    for stranger in ("support", "management", "partner"):
        answer = caller(stranger).get(ME).json()
        assert (answer["covering"], answer["covered_by"]) == ([], [])


def test_a_refusal_names_the_cover(world: World, caller: Any) -> None:
    with acting_as(Role.SUPERUSER):
        nora = world.users["nora"] = User.objects.create_user(
            "nora", first_name="Nora", last_name="Lindqvist", role=Role.SALES
        )
    said = caller("sales").patch(address(world.other_draft), {"name": "x"}).json()["detail"]
    assert said == "Your role may update a contract only where you are its contact."
    cover = make_cover(world, "nora", "sales")
    said = caller("sales").patch(address(world.other_draft), {"name": "x"}).json()["detail"]
    until = f"{cover.ends_at.day} {cover.ends_at:%B %Y}"
    assert said == (
        f"Your role may update a contract only where you are its contact, or as cover for Nora Lindqvist until {until}."
    )
    user = User.objects.get(pk=world.users["sales"].pk)
    assert user.covering == ((nora.display_name, cover.ends_at),)
    assert policy.rule(user, "contract", "sign").sentence == said.replace("update", "sign")
    assert "Nora" not in policy.rule(user, "profile", "update").sentence


@pytest.mark.parametrize(
    ("name", "resource", "action", "sentence"),
    [
        ("sales", "event", "update", "Your role may not update an event."),
        ("sales", "client", "update", "Your role may update any client."),
        ("partner", "contract", "list", "Your role may list a contract only where your account is linked to it."),
        ("auditor", "log_entry", "retrieve", "Your role may retrieve any log entry."),
    ],
)
def test_every_rule_has_a_sentence(
    name: str, resource: str, action: str, sentence: str, world: World, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        assert policy.rule(world.users[name], resource, action).sentence == sentence


@pytest.mark.parametrize("name", ["sales", "other_sales"])
@pytest.mark.parametrize("change", [{"role": "support"}, {"is_active": False}, {"is_superuser": True}])
def test_it_ends_at_once_where_one_of_the_two_changes(
    name: str, change: dict[str, Any], world: World, cover: Cover, caller: Any
) -> None:
    later = make_cover(
        world,
        "other_sales",
        "sales",
        starts_at=timezone.now() + timedelta(days=30),
        ends_at=timezone.now() + timedelta(days=40),
    )
    with acting_as(Role.SUPERUSER):
        User.objects.filter(pk=world.users[name].pk).update(**change)
        # It doesn't come back either.
        User.objects.filter(pk=world.users[name].pk).update(role="sales", is_active=True, is_superuser=False)
        assert not Cover.objects.filter(pk=cover.pk).current().exists()
        later.refresh_from_db()
    assert later.ends_at == later.starts_at
    assert tries(world, caller("sales")) == REFUSED


def test_it_stays_where_something_else_changes(world: World, cover: Cover, caller: Any) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(pk=world.users["sales"].pk).update(last_name="Married")
    assert caller("sales").patch(address(world.other_draft), {"name": "x"}).status_code == 200


def test_of_covers_each_of_the_two_reads_their_own_and_nobody_else_any(world: World, cover: Cover) -> None:
    for name in ("sales", "other_sales", "support", "partner"):
        person = world.users[name]
        with acting_as(person.effective_role, user_id=person.pk):
            seen = list(Cover.objects.values_list("reason", flat=True))
        assert seen == (["Parental leave"] if name.endswith("sales") else [])
