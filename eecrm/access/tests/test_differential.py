"""Three answers to each question: what the API does, what the policy says, what PostgreSQL lets raw SQL do. They agree.

A cell is one actor, one row and one command; the last lines of a test run tell how many there were (`conftest.py`).
"""

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any, NamedTuple

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from access import policy
from access.database import acting_as, because, enter
from access.permissions import PolicyPermission
from access.policy import Role, Scope
from access.querysets import PolicyQuerySet, is_within, owns, would_own
from access.tests.paths import address, below, body_of
from accounts.models import Cover, User
from api.resources.reading import instance_statement, item_statement, page_statement, parent_statement
from api.resources.views import ResourceViewSet
from conftest import API, CAST, Caller, World, make_client, make_contract, make_event

COMMANDS = {
    "client": ("retrieve", "update", "assign", "delete", "create"),
    "contract": ("retrieve", "update", "sign", "amend", "reopen", "delete", "create"),
    "event": ("retrieve", "update", "assign", "reopen", "delete", "create"),
}
ACTORS = (*CAST, "superuser", "sales as cover", "support as cover")
WHY = "the client asked for it"


class Row(NamedTuple):
    """A stored row, and what a new one beside it would hang on."""

    resource: str
    row: Any
    parent: Any


class Verdict(NamedTuple):
    """done, refused, or (permitted, but) in the wrong state."""

    word: str
    status: int = 0


@pytest.fixture
def rows(world: World, chance: Random) -> list[Row]:
    """The world's eight rows, and as many more in every state, dealt out by chance."""
    users = world.users
    sales, support = [users["sales"], users["other_sales"]], [users["support"], users["other_support"], None]
    clients, contracts, events = [world.own_client, world.other_client], [], [world.own_event, world.other_event]
    with acting_as(Role.SUPERUSER):
        for number in range(6):
            status = "prospect" if number < 2 else "client"
            clients.append(make_client(f"Client {number}", sales[number % 2], status=status))
        for number in range(8):
            contracts.append(make_contract(chance.choice(clients[4:]), f"Contract {number}", signed=number % 3 > 0))
        signed = [contract for contract in contracts if contract.status == "signed"]
        for number in range(10):
            status = ("created", "in_progress", "closed")[number % 3]
            events.append(make_event(chance.choice(signed), f"Event {number}", support[number % 3], status=status))
    contracts += [world.own_draft, world.other_draft, world.own_signed, world.other_signed]
    return [
        *(Row("client", row, None) for row in clients),
        *(Row("contract", row, row.client) for row in contracts),
        *(Row("event", row, row.contract) for row in events),
    ]


def actor_of(name: str, world: World) -> User:
    """The person; one who covers does so from now on."""
    who, _, is_cover = name.partition(" as ")
    if is_cover:
        with acting_as(Role.SUPERUSER):
            Cover.objects.create(
                colleague=world.users[f"other_{who}"], substitute=world.users[who], reason="Leave",
                ends_at=timezone.now() + timedelta(days=1),
            )  # fmt: skip
    return User.objects.get(pk=world.users[who].pk)


def questions(rows: list[Row]) -> Iterator[tuple[Row, str]]:
    return ((row, command) for row in rows for command in COMMANDS[row.resource])


# What the API does


def change(row: Row, command: str, world: World) -> dict[str, Any]:
    match row.resource, command:
        case "client", "assign":
            return {"sales_contact_id": another(row, world)}
        case "client", _:
            return {"last_name": "Changed"}
        case "event", "assign":
            return {"support_contact_id": another(row, world)}
        case _, "sign":
            return {"status": "signed"}
        case _, "amend":
            return {"amount": "2.00"}
        case "contract", "reopen":
            return {"status": "draft"}
        case "event", "reopen":
            return {"status": "in_progress"}
        case _:
            return {"name": "Changed"}


def another(row: Row, world: World) -> int:
    """The contact that the row doesn't have yet."""
    name = {"client": "sales", "event": "support"}[row.resource]
    current = row.row.sales_contact_id if row.resource == "client" else row.row.support_contact_id
    return next(world.users[one].pk for one in (name, f"other_{name}") if world.users[one].pk != current)


def of_the_api(caller: Caller, row: Row, command: str, world: World) -> Verdict:
    with transaction.atomic():
        response = ask(caller, row, command, world)
        transaction.set_rollback(True)
    assert response.status_code in (200, 201, 204, 403, 404, 409), response.content
    words = {403: "refused", 404: "refused", 409: "wrong state"}
    return Verdict(words.get(response.status_code, "done"), response.status_code)


def ask(caller: Caller, row: Row, command: str, world: World) -> Any:
    path = address(row.row)
    match command:
        case "retrieve":
            return caller.get(path)
        case "delete":
            return caller.delete(path)
        case "create":
            body = body_of(row.resource, world, contact="")
            if row.resource == "client":
                body["sales_contact_id"] = row.row.sales_contact_id
            return caller.post(below(row.parent) if row.parent else API + "clients/", body)
        case _:
            return caller.patch(path, change(row, command, world), HTTP_X_CHANGE_REASON=WHY)


# What the policy says


def is_visible(user: User, row: Row, command: str) -> bool:
    """Of the row, or where a new one is made of what it hangs on."""
    seen = row.parent if command == "create" else row.row
    return seen is None or type(seen).objects.visible_to(user).filter(pk=seen.pk).exists()


def is_permitted(user: User, row: Row, command: str) -> bool:
    """Whether the role may, whatever state the row is in."""
    if command == "create":
        match policy.rule(user, row.resource, "create").scope:
            case Scope.OWN if row.parent is None:
                return would_own(user, type(row.row), {"sales_contact": row.row.sales_contact})
            case Scope.OWN:
                return owns(user, row.parent)
            case scope:
                return scope is Scope.ALL
    needed = {"amend": ("update",), "reopen": ("update",), "sign": ("update", "sign"), "assign": ("update", "assign")}
    return all(is_within(user, action, row.row) for action in needed.get(command, (command,)))


# What PostgreSQL lets raw SQL do

INSERTS = {
    "client": "INSERT INTO clients_client (company_name, first_name, last_name, email, phone, mobile, sales_contact_id) "
              "VALUES ('X', 'X', 'X', 'x@x.example', '', '', {contact})",
    "contract": "INSERT INTO contracts_contract (client_id, name, amount, payment_due) VALUES ({parent}, 'X', 1, '2027-01-01')",
    "event": "INSERT INTO events_event (contract_id, name, attendees, starts_at, location, notes) "
             "VALUES ({parent}, 'X', 1, '2027-01-01', '', '')",
}  # fmt: skip


def statement(row: Row, command: str, world: World) -> str:
    table, key = row.row._meta.db_table, row.row.pk
    match command:
        case "retrieve":
            return f"SELECT id FROM {table} WHERE id = {key}"
        case "delete":
            return f"DELETE FROM {table} WHERE id = {key}"
        case "create":
            contact = row.row.sales_contact_id if row.resource == "client" else ""
            return INSERTS[row.resource].format(parent=row.parent and row.parent.pk, contact=contact)
    ((column, value),) = change(row, command, world).items()
    return f"UPDATE {table} SET {column} = '{value}' WHERE id = {key}"


def of_the_database(user: User, sql: str) -> Verdict:
    try:
        with transaction.atomic():
            enter(user.effective_role, user_id=user.pk)
            with connection.cursor() as cursor:
                cursor.execute(sql)
                count = cursor.rowcount
            transaction.set_rollback(True)
    except DatabaseError as error:
        code = error.__cause__.pgcode  # type: ignore[union-attr]  # psycopg2's
        assert code in ("42501", "23514", "23503"), error
        return Verdict("refused" if code == "42501" else "wrong state")
    return Verdict("done" if count else "refused")


@pytest.fixture
def with_a_reason() -> Iterator[None]:
    with because(WHY):
        yield


@pytest.mark.parametrize("name", ACTORS)
def test_api_policy_and_database_agree(
    name: str, world: World, rows: list[Row], with_a_reason: None, record_property: Any
) -> None:
    user = actor_of(name, world)
    caller, count = Caller.as_user(user), 0
    for row, command in questions(rows):
        with acting_as(user.effective_role, user_id=user.pk):
            visible, permitted = is_visible(user, row, command), is_permitted(user, row, command)
        answer = of_the_api(caller, row, command, world)
        stored = of_the_database(user, statement(row, command, world))
        told = f"{name}: {command} {row.resource} {row.row} ({getattr(row.row, 'status', '')}): {answer}, {stored}"
        assert answer.word == stored.word, told
        assert (answer.word != "refused") == (visible and permitted), told
        assert (answer.status == 404) == (not visible), told
        count += 1
    record_property("cells", count)
    assert count * len(ACTORS) >= 2_000


@pytest.mark.parametrize("name", ACTORS)
@pytest.mark.parametrize("resource", COMMANDS)
def test_lists_agree(name: str, resource: str, world: World, rows: list[Row]) -> None:
    user = actor_of(name, world)
    model = next(type(row.row) for row in rows if row.resource == resource)
    with acting_as(user.effective_role, user_id=user.pk):
        by_policy = set(model.objects.visible_to(user, action="list").values_list("pk", flat=True))
        by_database = set(model.objects.values_list("pk", flat=True))
    listed = Caller.as_user(user).get(f"{API}{resource}s/?page_size=200").json()["results"]
    assert {row["id"] for row in listed} == by_policy == by_database
    assert by_policy or name in ("unlinked",)


# With everything in Python that refuses knocked out


def forget_statements() -> None:
    """Those that were compiled with the filters, or without them."""
    page_statement.cache_clear()
    item_statement.cache_clear()
    instance_statement.cache_clear()
    parent_statement.cache_clear()


@pytest.fixture
def knocked_out(monkeypatch: Any) -> Iterator[None]:
    """An authorization bug of each kind at once: no filter, no permission, no question about the saved row."""
    forget_statements()
    monkeypatch.setattr(PolicyQuerySet, "permitted_by", lambda rows, rule: rows.all())
    monkeypatch.setattr(PolicyPermission, "has_permission", lambda *_: True)
    monkeypatch.setattr(PolicyPermission, "has_object_permission", lambda *_: True)
    for name in ("_refuse_foreign_parent", "_refuse_for_others", "_refuse_finer_actions"):
        monkeypatch.setattr(ResourceViewSet, name, lambda *_: None)
    yield
    forget_statements()


@pytest.mark.parametrize("name", ACTORS)
def test_without_python_postgresql_refuses_the_same(
    name: str, world: World, rows: list[Row], with_a_reason: None, knocked_out: None
) -> None:
    user = actor_of(name, world)
    caller, refused = Caller.as_user(user), 0
    for row, command in questions(rows):
        answer = of_the_api(caller, row, command, world)
        stored = of_the_database(user, statement(row, command, world))
        assert answer.word == stored.word, f"{name}: {command} {row.resource} {row.row}: {answer}, {stored}"
        refused += answer.word == "refused"
    assert (refused > 0) == (user.effective_role not in (Role.MANAGEMENT, Role.SUPERUSER))


def test_a_row_that_is_out_of_reach_is_told_also_where_nobody_looked_for_it(
    world: World, other_sales: Caller, knocked_out: None, monkeypatch: Any
) -> None:
    monkeypatch.setattr(ResourceViewSet, "_locked", ResourceViewSet.get_object)
    draft = address(world.own_draft)
    change, removal = other_sales.patch(draft, {"name": "Mine now"}), other_sales.delete(draft)
    assert (change.status_code, change.json()["rule"]) == (409, "row_gone")
    assert (removal.status_code, removal.json()["rule"]) == (403, "contract.delete.sales.own")
    assert other_sales.get(draft).json()["name"] == "Own draft"


def test_what_postgresql_refuses_is_a_problem_document_that_tells_the_rule(
    world: World, other_sales: Caller, partner: Caller, knocked_out: None
) -> None:
    change = other_sales.patch(address(world.own_draft), {"name": "Mine now"})
    assert (change.status_code, change.json()["rule"]) == (403, "contract.update.sales.own")
    removal = other_sales.delete(address(world.own_draft))
    assert (removal.status_code, removal.json()["rule"]) == (403, "contract.delete.sales.own")
    addition = other_sales.post(below(world.own_client), body_of("contract", world))
    assert (addition.status_code, addition.json()["rule"]) == (403, "database")
    for answer in (change, removal, addition):
        assert answer["Content-Type"] == "application/problem+json"
    assert partner.get(address(world.other_client)).status_code == 404
    assert partner.patch(address(world.other_client), {"last_name": "x"}).status_code == 404
    assert [row["id"] for row in partner.get(API + "clients/").json()["results"]] == [world.own_client.pk]
