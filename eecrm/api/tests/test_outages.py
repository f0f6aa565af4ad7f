"""States of the database as an app sees them: each has a code of its own, and nothing half done is left.

A trigger raises what a full disk or an exhausted server would: in PostgreSQL itself, in the midst of a write.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from access import refusals
from access.database import acting_as
from access.policy import Role
from access.tests.paths import below, body_of
from conftest import API, Caller, Visitor, World
from contracts.models import Contract

FAIL = """
CREATE FUNCTION eecrm.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {action}; RETURN NULL; END $$;
GRANT EXECUTE ON FUNCTION eecrm.fail() TO PUBLIC;
CREATE TRIGGER fail AFTER INSERT OR UPDATE OR DELETE ON contracts_contract EXECUTE FUNCTION eecrm.fail()
"""


@contextmanager
def failing(migrator: Any, action: str) -> Iterator[None]:
    with migrator.cursor() as cursor:
        cursor.execute(FAIL.format(action=action))
    try:
        yield
    finally:
        with migrator.cursor() as cursor:
            cursor.execute("DROP FUNCTION eecrm.fail() CASCADE")


def raising(state: str) -> str:
    return f"RAISE 'trouble' USING ERRCODE = '{state}'"


STATES = [
    (raising("53100"), refusals.DISK_FULL),
    (raising("53200"), refusals.OVERLOADED),
    (raising("58030"), refusals.FAILING),
    (raising("XX001"), refusals.FAILING),
    (raising("25006"), refusals.READ_ONLY),
    (raising("40P01"), refusals.BUSY),
    ("PERFORM pg_sleep(5)", refusals.STATEMENT_TIMED_OUT),
]


@pytest.mark.parametrize(("action", "told"), STATES)
def test_a_write_that_the_server_cannot_do_now_is_told_why_and_leaves_nothing(
    action: str, told: refusals.Refusal, committed_world: World, migrator: Any, caplog: Any
) -> None:
    sales, own = Caller.as_user(committed_world.users["sales"]), committed_world.own_client
    draft = f"{API}contracts/{committed_world.own_draft.pk}/"
    if told is refusals.STATEMENT_TIMED_OUT:
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = '200ms'")
    requests: list[Callable[[], Any]] = [
        lambda: sales.post(below(own), body_of("contract", committed_world), HTTP_IDEMPOTENCY_KEY="key"),
        lambda: sales.patch(draft, {"name": "Another"}),
        lambda: sales.delete(draft),
    ]
    before = rows()
    with failing(migrator, action):
        for request in requests:
            answer = request()
            assert answer.status_code == 503, answer.content
            assert (answer.json()["code"], answer.json()["detail"]) == (told.code, told.sentence)
            assert answer["Retry-After"] == str(told.retry_after)
        assert sales.get(f"{API}contracts/").status_code == 200, "what changes nothing goes on"
    assert rows() == before
    assert [request().status_code for request in requests] == [201, 200, 204], "the same again, once it can"
    connection.close()
    lines = [record for record in caplog.records if record.message.startswith("the database refused")]
    assert len(lines) == 3 and all(len(line.sqlstate) == 5 for line in lines)


CODES = {
    "08006": "unavailable", "25006": "read_only", "25P03": "timeout", "25P04": "timeout", "40001": "busy", "40P01": "busy",
    "53100": "disk_full", "53300": "overloaded", "54000": "invalid", "55006": "busy", "55P03": "busy", "57014": "timeout",
    "57P01": "unavailable", "58030": "failing", "F0000": "failing", "XX001": "failing", "P0001": "",
}  # fmt: skip


@pytest.mark.parametrize("state", CODES)
def test_each_state_of_the_server_has_its_code(state: str, db: None) -> None:
    with pytest.raises(DatabaseError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DO $$ BEGIN {raising(state)}; END $$")
    refusal = refusals.refusal_of(caught.value)
    assert (refusal.code if refusal else "") == CODES[state]
    assert refusal is None or refusal.status == (400 if state == "54000" else 503)


def test_a_page_tells_it_too(committed_world: World, migrator: Any) -> None:
    manager = Visitor()
    manager.force_login(committed_world.users["management"])
    with failing(migrator, raising("53100")):
        answer = manager.confirm(
            f"/hidden-admin/contracts/contract/{committed_world.own_draft.pk}/delete/", {"post": "yes"}
        )
    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert refusals.DISK_FULL.sentence in answer.content.decode()
    connection.close()


def rows() -> list[Any]:
    with acting_as(Role.SUPERUSER):
        return list(Contract.objects.order_by("pk").values("pk", "name", "version"))
