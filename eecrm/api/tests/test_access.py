"""`{object}/access/`: to whom it tells what, and in which words."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access.database import acting_as
from access.policy import Role
from access.tests.paths import address
from access.tests.test_differential import actor_of
from access.tests.test_routes import wrong_chains
from audit.models import Entry
from conftest import API, CAST, Caller, World, make_client, make_contract, make_event


def told(caller: Caller, row: Any, query: str = "") -> dict[str, Any]:
    """`{action: its answer}`."""
    response = caller.get(f"{address(row)}access/{query}")
    assert response.status_code == 200, response.content
    return {answer["action"]: answer for answer in response.json()["actions"]}


def test_the_whole_answer(world: World, other_sales: Caller) -> None:
    draft = world.own_draft

    def refused(action: str, cell: str, deed: str) -> dict[str, Any]:
        reason = f"Your role may {deed} only where you are its contact."
        told = {"allowed": False, "rule": f"{cell}.sales.own", "reason": reason, "change_reason_required": False}
        return {"action": action, **told}

    assert other_sales.get(f"{API}contracts/{draft.pk}/access/").json() == {
        "object": {"type": "contract", "id": draft.pk}, "account": "other_sales", "role": "sales", "visible": True,
        "actions": [
            {
                "action": "retrieve", "allowed": True, "rule": "contract.retrieve.sales.all",
                "reason": "Your role may retrieve any contract.", "change_reason_required": False,
            },
            *(refused(one, "contract.update", "update a contract") for one in ("update", "sign", "amend", "reopen")),
            refused("delete", "contract.delete", "delete a contract"),
            refused("create_event", "event.create", "create an event"),
        ],
    }  # fmt: skip


def test_state_is_told_after_permission(world: World, sales: Caller, management: Caller) -> None:
    with acting_as(Role.SUPERUSER):
        unused = make_contract(world.own_client, "Unused", signed=True)
        prospect = make_client("Prospect", world.users["sales"], status="prospect")
    assert told(sales, world.own_signed)["delete"]["rule"] == "contract_has_events"
    assert told(sales, unused)["delete"] == {
        "action": "delete", "allowed": False, "rule": "contract_signed_stays",
        "reason": "A signed contract can't be deleted, except by management.", "change_reason_required": False,
    }  # fmt: skip
    assert told(management, unused)["delete"]["rule"] == "contract.amend.management.all"
    assert told(management, unused)["reopen"]["change_reason_required"]
    assert told(sales, world.own_client)["delete"]["reason"] == "This client can't be deleted while it has contracts."
    assert told(sales, prospect)["create_contract"]["rule"] == "contract_needs_client"
    assert told(sales, unused)["sign"]["reason"] == "The contract is signed already."
    assert told(sales, unused)["create_event"]["allowed"]


@pytest.mark.parametrize("name", [*CAST, "superuser", "anonymous"])
@pytest.mark.parametrize("nested", [True, False])
def test_whoever_sees_the_object_is_told_and_nobody_else(name: str, nested: bool, world: World, caller: Any) -> None:
    person = caller(name)
    for row in (world.own_client, world.other_client, world.own_draft, world.other_draft, world.other_event):
        path = address(row, nested=nested)
        for query in ("", "?as=sales", "?as=nobody", "?bogus=1"):
            answer = person.get(f"{path}access/{query}").status_code
            seen = person.get(path).status_code
            assert answer == seen if seen != 200 or not query else answer in (200, 400, 403), (path, query)


def test_through_a_wrong_parent_there_is_nothing(world: World, management: Caller) -> None:
    for path in (*wrong_chains(world), "clients/4611686018427387904/", "contracts/0/", "events/abc/"):
        for query in ("", "?as=sales"):
            assert management.get(f"{API}{path}access/{query}").status_code == 404, path


@pytest.mark.parametrize("name", ["sales", "support", "partner"])
@pytest.mark.parametrize("whom", ["sales", "other_sales", "nobody", "", "%00", "%F0%9F%92%A9"])
def test_who_may_not_ask_for_others_learns_nothing_of_them(name: str, whom: str, world: World, caller: Any) -> None:
    response = caller(name).get(f"{address(world.own_client)}access/?as={whom}&bogus=1")
    assert response.status_code == 403
    assert response.json()["rule"] == f"access.explain.{caller(name).user.effective_role}.none"
    assert response.json()["detail"] == "Your role may not ask what somebody else may do."


@pytest.mark.parametrize("name", ["management", "auditor", "superuser"])
def test_an_account_that_can_do_nothing_is_a_400_that_says_so(name: str, world: World, caller: Any) -> None:
    with acting_as(Role.SUPERUSER):
        type(world.users["unlinked"]).objects.filter(username="unlinked").update(is_active=False)
    unknown, inactive = (
        "There is no account with this username.",
        "This account isn't active: it may do nothing.",
    )
    for whom, sentence in {
        "nobody": f"{unknown} You sent “nobody”.", "%00": f"{unknown} You sent “\\u0000”.", "%ED%A0%80": f"{unknown} You sent “���”.",
        "x" * 2000: f"{unknown} You sent “{'x' * 99}…”.", "unlinked": f"{inactive} You sent “unlinked”.",
    }.items():  # fmt: skip
        response = caller(name).get(f"{address(world.own_client)}access/?as={whom}")
        assert response.status_code == 400
        assert response.json()["errors"] == [{"pointer": "?as", "code": "invalid", "detail": sentence}]


def test_a_username_has_one_spelling(world: World, management: Caller) -> None:
    for spelling in ("sales", "SALES", "%20Sales%20", "sa%E2%80%8Bles"):
        assert management.get(f"{address(world.own_client)}access/?as={spelling}").json()["account"] == "sales"


def test_an_unknown_parameter_is_refused(world: World, sales: Caller, management: Caller) -> None:
    for person, query in ((sales, "?bogus=1"), (management, "?as=sales&bogus=1"), (management, "?format=json")):
        response = person.get(f"{address(world.own_client)}access/{query}")
        assert response.status_code == 400
        assert "Known: as." in response.json()["errors"][0]["detail"]


def test_an_object_that_somebody_does_not_see(world: World, management: Caller) -> None:
    body = management.get(f"{address(world.other_client)}access/?as=partner").json()
    assert not body["visible"]
    assert {(answer["allowed"], answer["rule"], answer["reason"]) for answer in body["actions"]} == {
        (False, "client.retrieve.external.own",
         "The role of partner may retrieve a client only where their account is linked to it."),
    }  # fmt: skip


def test_leave_cover_counts_and_is_named(world: World, management: Caller) -> None:
    before = told(management, world.other_draft, "?as=sales")
    actor_of("sales as cover", world)
    after = told(management, world.other_draft, "?as=sales")
    assert (before["sign"]["allowed"], after["sign"]["allowed"]) == (False, True)
    assert before["sign"]["reason"] == "The role of sales may update a contract only where they are its contact."
    assert "or as cover for Other_Sales Person until " in after["sign"]["reason"]


def test_only_reading_is_done_and_nobody_elses_role_is_entered(world: World, management: Caller) -> None:
    with acting_as(Role.SUPERUSER):
        before = Entry.objects.count()
    with CaptureQueriesContext(connection) as queries:
        told(management, world.own_signed, "?as=sales")
    statements = [query["sql"].strip().split()[0] for query in queries]
    assert set(statements) <= {"SELECT", "SAVEPOINT", "RELEASE"}, statements
    assert not any("eecrm_sales" in query["sql"] for query in queries)
    assert not any("FOR UPDATE" in query["sql"] or "FOR SHARE" in query["sql"] for query in queries)
    with acting_as(Role.SUPERUSER):
        assert Entry.objects.count() == before


def test_it_costs_the_same_whatever_hangs_on_the_object(world: World, sales: Caller) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            told(sales, world.own_signed)
        return len(queries)

    cost()  # the first one fetches its limits, too
    first = cost()
    with acting_as(Role.SUPERUSER):
        for number in range(20):
            make_event(world.own_signed, f"Party {number}", None)
    assert cost() == first <= 8
