"""What `{object}/access/` says is what the server then does, for each actor, row and action; also where somebody else asks."""

from typing import Any, NamedTuple

import pytest
from django.db import transaction

from access.tests.paths import address, below, body_of
from access.tests.test_differential import ACTORS, WHY, Row, actor_of, change, rows  # noqa: F401  # a fixture
from conftest import Caller, World

ACTIONS = {
    "client": ["retrieve", "update", "assign", "delete", "create_contract"],
    "contract": ["retrieve", "update", "sign", "amend", "reopen", "delete", "create_event"],
    "event": ["retrieve", "update", "assign", "reopen", "delete"],
}
# The server accepts it and does nothing.
MOOT = {"contract_is_signed", "contract_is_draft", "event_is_open"}


class Outcome(NamedTuple):
    """What came of a request; `rule` is the code of the error where the status is 400."""

    status: int
    rule: str
    is_changed: bool


def ask(caller: Caller, row: Row, action: str, world: World, reason: str) -> Any:
    path, why = address(row.row), {"HTTP_X_CHANGE_REASON": reason}
    match action:
        case "retrieve":
            return caller.get(path)
        case "delete":
            return caller.delete(path, **why)
        case "create_contract" | "create_event":
            return caller.post(below(row.row), body_of(action.removeprefix("create_"), world), **why)
        case "reopen" if row.resource == "event" and row.row.status != "closed":
            return caller.patch(path, {"status": row.row.status}, **why)
    return caller.patch(path, change(row, action, world), **why)


def outcome(caller: Caller, row: Row, action: str, world: World, reason: str = "") -> Outcome:
    """Do it, and take it back."""
    with transaction.atomic():
        response = ask(caller, row, action, world, reason)
        transaction.set_rollback(True)
    body = response.json() if response.content else {}
    rule = body["errors"][0]["code"] if response.status_code == 400 else body.get("rule", "")
    is_changed = response.status_code in (201, 204) or body.get("version", row.row.version) != row.row.version
    return Outcome(response.status_code, rule, is_changed)


def holds(told: dict[str, Any], caller: Caller, row: Row, world: World) -> bool:
    """Whether the server does what was told."""
    action = told["action"]
    seen = outcome(caller, row, action, world)
    if told["rule"] in MOOT:
        return not told["allowed"] and (seen.status, seen.is_changed) == (200, False)
    if not told["allowed"]:
        status = 409 if "." not in told["rule"] else 403
        return (seen.status, seen.rule) == (status, told["rule"])
    if told["change_reason_required"]:
        if (seen.status, seen.rule) != (400, f"{row.resource}_reopen_needs_reason"):
            return False
        seen = outcome(caller, row, action, world, reason=WHY)
    return 200 <= seen.status < 300 and (action == "retrieve" or seen.is_changed)


@pytest.mark.parametrize("name", ACTORS)
def test_what_is_told_is_what_the_server_does(name: str, world: World, rows: list[Row]) -> None:
    user = actor_of(name, world)
    caller, count, allowed = Caller.as_user(user), 0, 0
    for row in rows:
        response = caller.get(f"{address(row.row)}access/")
        if response.status_code == 404:
            assert {outcome(caller, row, action, world).status for action in ACTIONS[row.resource]} == {404}
            count += len(ACTIONS[row.resource])
            continue
        body = response.json()
        assert body["object"] == {"type": row.resource, "id": row.row.pk}
        assert (body["account"], body["role"], body["visible"]) == (user.username, user.effective_role, True)
        assert [told["action"] for told in body["actions"]] == ACTIONS[row.resource]
        for told in body["actions"]:
            assert holds(told, caller, row, world), f"{name} {row.resource} {row.row} ({row.row.status}): {told}"
            allowed += told["allowed"]
            count += 1
    assert 0 < allowed < count or name == "unlinked"
    assert count * len(ACTORS) >= 2_000


@pytest.mark.parametrize("name", ACTORS)
def test_somebody_else_is_told_the_same(
    name: str,
    world: World,
    rows: list[Row],
    management: Caller,
    auditor: Caller,
) -> None:
    user = actor_of(name, world)
    caller = Caller.as_user(user)
    for number, row in enumerate(rows):
        path = f"{address(row.row, nested=number % 2 == 0)}access/"
        own = caller.get(path)
        told = (management, auditor)[number % 2].get(f"{path}?as={user.username}").json()
        assert told["visible"] == (own.status_code == 200)
        assert (told["account"], told["role"]) == (user.username, user.effective_role)
        if told["visible"]:
            assert without_sentences(told) == without_sentences(own.json())
            assert not any("Your role" in action["reason"] for action in told["actions"])
        else:
            assert {(action["allowed"], action["rule"]) for action in told["actions"]} == {
                (False, f"{row.resource}.retrieve.external.own")
            }


def without_sentences(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"actions": [{**action, "reason": ""} for action in body["actions"]]}
