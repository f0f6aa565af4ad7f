"""Cursors of offline copies: which are continued, which are over (410), and which are none (400)."""

import base64
import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from access.database import acting_as
from access.policy import Role
from accounts.models import User
from api.tests.corpus import QUERY
from audit.sync.cursor import decrypt_cursor, encrypt_cursor
from audit.tests.conftest import Trail
from audit.tests.replica import Replica
from conftest import API, Caller, World

DAY = 24 * 60 * 60  # seconds


@pytest.fixture
def cursor(sales: Caller) -> str:
    return sales.get(f"{API}sync/").json()["next"]


def answer(caller: Caller, **parameters: Any) -> tuple[int, str]:
    response = caller.get(f"{API}sync/", parameters)
    body = response.json()
    assert (response.status_code == 200) == ("changes" in body)
    if response.status_code != 200:
        assert response["Content-Type"] == "application/problem+json"
        assert body["status"] == response.status_code
    return response.status_code, body.get("code", "")


def test_an_account_continues_its_own_cursor(sales: Caller, cursor: str) -> None:
    assert answer(sales, cursor=cursor) == (200, "")


@pytest.mark.parametrize("name", ["other_sales", "support", "management", "partner", "superuser"])
def test_the_cursor_of_another_account_is_over(name: str, caller: Any, cursor: str) -> None:
    assert answer(caller(name), cursor=cursor) == (410, "cursor_expired")


def test_with_another_role_one_starts_again(world: World, sales: Caller, cursor: str) -> None:
    with acting_as(Role.SUPERUSER):
        world.own_client.sales_contact = world.other_client.sales_contact
        world.own_client.save(update_fields=["sales_contact"])
        User.objects.filter(pk=world.users["sales"].pk).update(role=Role.SUPPORT)
    phone = Caller.as_user(world.users["sales"])
    assert answer(phone, cursor=cursor) == (410, "cursor_expired")
    assert answer(phone) == (200, "")


def test_somebody_who_is_shown_more_than_before_starts_again(world: World, auditor: Caller, monkeypatch: Any) -> None:
    """Membership of a group opens personal data: what an auditor copied was masked."""
    old = auditor.get(f"{API}sync/").json()["next"]
    assert answer(auditor, cursor=old) == (200, "")
    monkeypatch.setattr("access.policy.sees_personal_data", lambda user: True)
    assert answer(auditor, cursor=old) == (410, "cursor_expired")


@pytest.mark.parametrize(("days", "expected"), [(29, (200, "")), (31, (410, "cursor_expired"))])
def test_a_cursor_lasts_for_thirty_days(days: int, expected: tuple[int, str], sales: Caller) -> None:
    made_at, form = decrypt_cursor(sales.get(f"{API}sync/").json()["next"])
    old = encrypt_cursor(form, made_at=made_at - days * DAY)
    assert answer(sales, cursor=old) == expected


def test_a_cursor_of_another_history_is_over(sales: Caller, cursor: str) -> None:
    view, types, since, proof, *rest = decrypt_cursor(cursor)[1]
    other = encrypt_cursor([view, types, since, proof[:-1] + "x", *rest])
    assert answer(sales, cursor=other) == (410, "cursor_expired")


@pytest.mark.parametrize(
    "loss",
    [
        "DELETE FROM audit.entry WHERE id = (SELECT max(id) FROM audit.entry)",
        "DELETE FROM audit.entry WHERE id = (SELECT max(id) - 1 FROM audit.entry)",
        # The same numbers, given out again at another moment.
        "UPDATE audit.entry SET at = at + interval '1 microsecond' WHERE id = (SELECT max(id) FROM audit.entry)",
        "UPDATE audit.entry SET transaction_id = '1' WHERE id = (SELECT max(id) FROM audit.entry)",
        "UPDATE audit.seal SET hash = sha256('another') WHERE id = (SELECT max(id) FROM audit.seal)",
        "DELETE FROM audit.seal",
    ],
)
@pytest.mark.parametrize("name", ["sales", "partner"])
def test_a_cursor_is_over_where_its_history_is_lost(name: str, loss: str, trail: Trail, committed_world: World) -> None:
    """Of every role; both of what is sealed and of what isn't yet."""
    _, last_id = trail.grow(3)
    trail.seal_up_to(last_id)
    trail.grow(3)
    phone = Caller.as_user(committed_world.users[name])
    cursor = phone.get(f"{API}sync/").json()["next"]
    assert answer(phone, cursor=cursor) == (200, "")
    trail.run(loss)
    assert answer(phone, cursor=cursor) == (410, "cursor_expired")
    trail.grow(10)
    assert answer(phone, cursor=cursor) == (410, "cursor_expired")


def test_history_that_is_added_and_sealed_ends_no_cursor(
    trail: Trail, committed_world: World, other_connection: Any
) -> None:
    """Not even that of a transaction which had begun before the cursor, and has lower numbers."""
    trail.grow(3)
    phone = Caller.as_user(committed_world.users["sales"])
    with other_connection.cursor() as slow:
        slow.execute("SELECT set_config('role', 'eecrm_superuser', true)")
        slow.execute("UPDATE contracts_contract SET name = 'Slow' WHERE id = %s", [committed_world.own_draft.pk])
        trail.grow(3)
        cursor = phone.get(f"{API}sync/").json()["next"]
        other_connection.commit()
    _, last_id = trail.grow(200)
    trail.seal_up_to(last_id)
    assert answer(phone, cursor=cursor) == (200, "")


def test_an_answer_without_news_keeps_the_proof_and_costs_no_statement_for_it(
    trail: Trail, committed_world: World, closed: Any
) -> None:
    phone = Caller.as_user(committed_world.users["sales"])
    copy = Replica(phone)
    closed()
    copy.catch_up()
    with CaptureQueriesContext(connection) as queries:
        copy.catch_up()
    assert [query["sql"] for query in queries if "history_proof" in query["sql"]] == []
    with CaptureQueriesContext(connection) as queries:
        Replica(phone, types="client").step()
    assert sum("history_proof" in query["sql"] for query in queries) == 1


def test_a_cursor_of_another_form_is_over(sales: Caller, cursor: str) -> None:
    """A version of the server before or after this one made it."""
    for form in ([1], "text", None, {}, decrypt_cursor(cursor)[1] + [1]):
        assert answer(sales, cursor=encrypt_cursor(form)) == (410, "cursor_expired")


def test_an_altered_cursor_is_over(sales: Caller, cursor: str) -> None:
    for place in range(8, len(cursor) - 1, 5):  # beyond what all of them begin with
        altered = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        assert answer(sales, cursor=altered) == (410, "cursor_expired"), altered


def test_a_cursor_tells_its_holder_nothing(sales: Caller, cursor: str) -> None:
    """Numbers of transactions, entries and seals are the company's activity."""
    readable = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    for told in decrypt_cursor(cursor)[1][:4]:
        assert json.dumps(told, separators=(",", ":")).strip('[]"').encode() not in readable
    assert b"client" not in readable


def test_a_cursor_that_another_key_signed_is_over(sales: Caller, cursor: str, settings: Any) -> None:
    settings.SECRET_KEY = "another key of the same server, in use since yesterday"
    assert answer(sales, cursor=cursor) == (410, "cursor_expired")
    assert answer(sales) == (200, "")


def test_a_text_that_no_server_signed_is_refused(sales: Caller, cursor: str) -> None:
    for text in (cursor[:-2], cursor + "x", cursor.replace("g", ".", 1), "g" + cursor, "x", "a:b:c", "1" * 200):
        assert answer(sales, cursor=text)[0] == 400, text


def test_an_empty_cursor_is_refused(sales: Caller) -> None:
    response = sales.get(f"{API}sync/?cursor=")
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (400, "?cursor")


@pytest.mark.parametrize("parameter", ["cursor", "types", "page_size", "since", "ordering", "count"])
def test_hostile_parameters_are_refused(parameter: str, sales: Caller) -> None:
    for value in QUERY:
        response = sales.get(f"{API}sync/?{parameter}={value}")
        assert response.status_code == 400, (parameter, value, response.content)
        assert response.json()["errors"][0]["pointer"] == f"?{parameter}"


@pytest.mark.parametrize("size", ["0", "201", "-1", "1.5", "01x", ""])
def test_a_page_has_a_size(size: str, sales: Caller) -> None:
    assert answer(sales, page_size=size)[0] == 400


@pytest.mark.parametrize("types", ["user", "client,", "client,user", "Client", " client"])
def test_types_are_known_ones(types: str, sales: Caller) -> None:
    response = sales.get(f"{API}sync/", {"types": types})
    assert response.status_code == 400
    sentence = "Name one or more of client, contract, event, separated by commas."
    assert response.json()["errors"][0]["detail"].startswith(f"{sentence} You sent “{types}”.")


def test_a_cursor_stays_with_its_types(sales: Caller) -> None:
    copy = Replica(sales, types="client,event", page_size=1)
    copy.catch_up()
    assert answer(sales, cursor=copy.cursor, types="event,client") == (200, "")
    assert answer(sales, cursor=copy.cursor) == (200, "")
    for types in ("client", "client,contract,event", "contract"):
        assert answer(sales, cursor=copy.cursor, types=types)[0] == 400


def test_a_type_that_the_role_may_not_list_is_left_out(world: World, caller: Any, monkeypatch: Any) -> None:
    from access import policy

    whole = Replica(caller("support"))
    whole.catch_up()
    monkeypatch.setitem(policy._scopes, ("contract", "list", "support"), policy.Scope.NONE)
    copy = Replica(caller("support"))
    copy.catch_up()
    assert {noun for noun, _ in copy.rows} == {"client", "event"}
    assert answer(copy.caller, cursor=whole.cursor) == (410, "cursor_expired")
    elsewhere = APIClient(**copy.caller.defaults)  # no page and no document tells of a cell that isn't in the table
    response = elsewhere.get(f"{API}sync/", {"types": "contract"})
    assert (response.status_code, response.json()["rule"]) == (403, "contract.list.support.none")
