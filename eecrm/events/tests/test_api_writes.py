"""A write through the API asks the database each question once."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conftest import API, Caller, World

CALLER = "SELECT account.id"  # finds the caller and enters their database role
AS_SHOWN = "SELECT json_build_object("
CONTRACT = {"name": "Spring gala", "amount": "10.00", "payment_due": "2027-05-01"}
EVENT = {"name": "Spring party", "starts_at": "2027-05-01T10:00:00Z", "attendees": 3}


def statements_of(caller: Caller, method: str, path: str, body: dict[str, Any], status: int) -> list[str]:
    caller.get(f"{API}users/me/")
    getattr(caller, method)(path, {"no such field": 1})  # the first write takes some requests of the limit
    with CaptureQueriesContext(connection) as asked:
        response = getattr(caller, method)(path, body)
    assert response.status_code == status, response.content
    return [sql for query in asked if not (sql := " ".join(query["sql"].split())).startswith(("BEGIN", "COMMIT"))]


def assert_statements(asked: list[str], *starts: str) -> None:
    told = "\n".join(f"{number} {sql[:110]}" for number, sql in enumerate(asked, 1))
    assert len(asked) == len(starts), told
    assert all(sql.startswith(start) for sql, start in zip(asked, starts, strict=True)), told


@pytest.mark.parametrize("name", ["sales", "management"])
def test_a_create_takes_four_statements_for_each_role(name: str, committed_world: World) -> None:
    """INSERT returns the contact that the parent hands down: it isn't asked again whose the new row is."""
    world, caller = committed_world, Caller.as_user(committed_world.users[name])
    client = f"{API}clients/{world.own_client.pk}/"
    for path, parent, noun, body in (
        (f"{client}contracts/", "clients_client", "contracts_contract", CONTRACT),
        (f"{client}contracts/{world.own_signed.pk}/events/", "contracts_contract", "events_event", EVENT),
    ):
        asked = statements_of(caller, "post", path, body, 201)
        assert_statements(asked, CALLER, f'SELECT "{parent}"', f'INSERT INTO "{noun}"', AS_SHOWN)


@pytest.mark.parametrize("name", ["sales", "management"])
def test_a_change_takes_five_statements_for_each_role(name: str, committed_world: World) -> None:
    """The row is read, since PostgreSQL locks none that may not be written, and then read as it is locked."""
    world, caller = committed_world, Caller.as_user(committed_world.users[name])
    path, row = f"{API}clients/{world.own_client.pk}/contracts/{world.own_draft.pk}/", 'SELECT "contracts_contract"'
    asked = statements_of(caller, "patch", path, {"name": "Autumn gala"}, 200)
    assert_statements(asked, CALLER, row, row, 'UPDATE "contracts_contract"', AS_SHOWN)
