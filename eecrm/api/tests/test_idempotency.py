"""`Idempotency-Key`: who repeats a POST gets the first answer again, and nothing is made twice (`api.md`)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from io import StringIO
from typing import Any

import orjson
import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access.database import acting_as
from access.policy import MATRIX_ROLES, Role
from access.tests.paths import below, body_of
from access.tests.test_database_roles import REFUSED, run
from accounts.models import User
from api.resources import idempotency
from api.tests.test_at_once import alone, wait_for_a_blocked_statement
from audit.models import Entry
from clients.models import Client
from conftest import API, PASSWORD, PATIENCE, Caller, World

CLIENTS = API + "clients/"


def post(caller: Caller, path: str, body: Any, key: str = "key-1", **headers: str) -> Any:
    return caller.post(path, body, HTTP_IDEMPOTENCY_KEY=key, **headers)


def post_impatiently(caller: Caller, path: str, body: Any) -> Any:
    """Waits less long than the tests do."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '1s'")
    return post(caller, path, body)


def is_replay(answer: Any) -> bool:
    assert answer.get("Idempotency-Replayed", "true") == "true"
    return "Idempotency-Replayed" in answer


def in_sql(sql: str, user: User) -> Any:
    return run(sql, user.effective_role, user.pk)


def keys_of(user: User) -> int:
    return in_sql("SELECT count(*) FROM api_idempotency", user)[0][0]


def clients() -> int:
    with acting_as(Role.SUPERUSER):
        return Client.objects.count()


@pytest.mark.parametrize("noun", ["client", "contract", "event"])
def test_a_repeat_gets_the_first_answer_and_creates_nothing(noun: str, world: World, sales: Caller) -> None:
    parent = {"contract": world.own_client, "event": world.own_signed}.get(noun)
    path, body = below(parent) if parent else CLIENTS, body_of(noun, world)
    first = post(sales, path, body)
    with acting_as(Role.SUPERUSER):
        entries = Entry.objects.count()
    again = post(sales, path, body)
    assert (first.status_code, is_replay(first), is_replay(again)) == (201, False, True)
    assert (again.status_code, again.content, again["Content-Type"]) == (201, first.content, "application/json")
    for header in ("Location", "ETag"):
        assert again.get(header) == first.get(header)
    assert first["Location"] == first.json()["url"]
    assert again["X-Request-ID"] != first["X-Request-ID"]
    with acting_as(Role.SUPERUSER):
        assert Entry.objects.count() == entries, "a replay writes nothing"


def test_without_a_key_a_repeat_is_a_second_request(world: World, sales: Caller) -> None:
    path, body = below(world.own_client), body_of("contract", world)
    assert sales.post(path, body).json()["id"] != sales.post(path, body).json()["id"]
    assert keys_of(world.users["sales"]) == 0


def test_two_keys_are_two_requests(world: World, sales: Caller) -> None:
    path, body = below(world.own_client), body_of("contract", world)
    assert post(sales, path, body, "one").json()["id"] != post(sales, path, body, "two").json()["id"]


def test_the_answer_is_the_first_one_though_the_row_has_changed(world: World, sales: Caller) -> None:
    first = post(sales, CLIENTS, body_of("client", world))
    assert sales.patch(first["Location"], {"company_name": "Renamed"}).json()["version"] == 2
    assert post(sales, CLIENTS, body_of("client", world)).content == first.content


def test_the_key_belongs_to_the_account_and_not_to_the_token(world: World, sales: Caller) -> None:
    first = post(sales, CLIENTS, body_of("client", world))
    assert post(Caller.as_user(world.users["sales"]), CLIENTS, body_of("client", world)).content == first.content


def test_anothers_key_is_another_key(world: World, sales: Caller, other_sales: Caller) -> None:
    """Neither is told, nor kept from its own, by what a colleague did with the same words."""
    one = post(sales, below(world.own_client), body_of("contract", world))
    other = post(other_sales, below(world.other_client), body_of("contract", world))
    assert (one.status_code, other.status_code, is_replay(other)) == (201, 201, False)
    assert one.json()["id"] != other.json()["id"]


@pytest.mark.parametrize("change", ["a body", "a member less", "a type", "a path"])
def test_a_key_used_again_for_something_else_is_a_422(change: str, world: World, management: Caller) -> None:
    path, body = below(world.own_client), body_of("contract", world) | {"amount": "1.50"}
    assert post(management, path, body | {"status": "draft"}).status_code == 201
    if change == "a path":
        refused = post(management, below(world.other_client), body | {"status": "draft"})
    else:
        other = {"a body": {"name": "X", "status": "draft"}, "a type": {"amount": 1.5, "status": "draft"}}
        refused = post(management, path, body | other.get(change, {}))
    problem = refused.json()
    assert (refused.status_code, refused["Content-Type"]) == (422, "application/problem+json")
    assert (problem["code"], problem["title"]) == ("idempotency_key_reused", "Unprocessable Content")
    assert problem["detail"].endswith(".")
    assert is_replay(post(management, path, body | {"status": "draft"})), "the first one still has its key"


def test_a_body_that_says_the_same_in_other_bytes_is_the_same(world: World, sales: Caller) -> None:
    body = body_of("client", world) | {"company_name": "Café"}
    first = post(sales, CLIENTS, body)
    shuffled = b"{\n" + b",\n".join(
        orjson.dumps(name) + b" : " + orjson.dumps(value).replace("é".encode(), b"\\u00e9")
        for name, value in reversed(body.items())
    ) + b"}"  # fmt: skip
    again = sales.generic("POST", CLIENTS, shuffled, "application/json", HTTP_IDEMPOTENCY_KEY="key-1")
    assert (again.content, is_replay(again)) == (first.content, True)


@pytest.mark.parametrize(
    "key", ["a", "~" * 255, "8e03978e-40d5-43e8-bc93-6894a57f9324", "with space, and 'more'", 'a"b', "%s"]
)
def test_a_key_may_be_bare_or_quoted(key: str, world: World, sales: Caller) -> None:
    quoted = '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
    first = post(sales, CLIENTS, body_of("client", world), key)
    assert first.status_code == 201
    assert post(sales, CLIENTS, body_of("client", world), quoted).content == first.content
    assert in_sql("SELECT key FROM api_idempotency", world.users["sales"]) == [(key,)]


@pytest.mark.parametrize(
    "key",
    ["", " ", '""', '"', '"a', '"a"b"', '"a";b=1', '"a", "b"', '"a\\b"', "~" * 256, f'"{"~" * 256}"', "é", "a\x00b",
     "a\tb", "\x7f", "a\x80", "\u202e".encode().decode("latin-1"), "x" * 8000],
)  # fmt: skip
def test_what_is_no_key_is_a_400_that_names_the_header(key: str, world: World, sales: Caller) -> None:
    answer = post(sales, CLIENTS, body_of("client", world), key)
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == ("Idempotency-Key", "invalid")
    assert (clients(), keys_of(world.users["sales"])) == (2, 0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"1",
        b"null",
        b'"x"',
        b"[" * 300 + b"]" * 300,
        b'{"a":' * 900 + b"1" + b"}" * 900,
        b"\xff",
        b'{"\\u0000": 1}',
    ],
)
def test_hostile_bodies_with_a_key_are_refused(body: bytes, world: World, sales: Caller) -> None:
    answer = sales.generic("POST", CLIENTS, body, "application/json", HTTP_IDEMPOTENCY_KEY="key-1")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert keys_of(world.users["sales"]) == 0


def test_a_form_with_a_key_is_a_415(world: World, sales: Caller) -> None:
    assert sales.post(CLIENTS, {"a": "b"}, format="multipart", HTTP_IDEMPOTENCY_KEY="key-1").status_code == 415


def test_a_refused_request_may_be_right_the_next_time(world: World, sales: Caller) -> None:
    body = body_of("client", world)
    for refused, status in (({"email": "x"}, 400), ({"email": world.own_client.email.upper()}, 409)):
        assert post(sales, CLIENTS, body | refused).status_code == status
        assert keys_of(world.users["sales"]) == 0, "only what was done is kept"
    first = post(sales, CLIENTS, body)
    assert (first.status_code, is_replay(first)) == (201, False)
    assert post(sales, CLIENTS, body).content == first.content


def test_a_refusal_of_a_trigger_is_not_kept_either(world: World, sales: Caller) -> None:
    path, body = below(world.own_draft), body_of("event", world)
    assert post(sales, path, body).status_code == 409
    assert sales.patch(f"{API}contracts/{world.own_draft.pk}/", {"status": "signed"}).status_code == 200
    assert post(sales, path, body).status_code == 201


def become(role: str, user: User) -> Caller:
    """The account in another role, logged in again: a change of role ends all tokens."""
    with acting_as(Role.SUPERUSER):
        User.objects.filter(pk=user.pk).update(role=role)
    return Caller.as_user(user)


def test_who_may_no_longer_create_gets_no_replay(world: World, management: Caller) -> None:
    assert post(management, CLIENTS, body_of("client", world)).status_code == 201
    for role, rule in ((Role.SUPPORT, "client.create.support.none"), (Role.AUDITOR, "client.create.auditor.none")):
        refused = post(become(role, world.users["management"]), CLIENTS, body_of("client", world))
        assert (refused.status_code, refused.json()["rule"], is_replay(refused)) == (403, rule, False)
    manager = become(Role.MANAGEMENT, world.users["management"])
    assert is_replay(post(manager, CLIENTS, body_of("client", world)))


def test_who_could_only_create_it_for_themselves_now_gets_no_replay(world: World, management: Caller) -> None:
    assert post(management, CLIENTS, body_of("client", world)).status_code == 201
    demoted = become(Role.SALES, world.users["management"])
    refused = post(demoted, CLIENTS, body_of("client", world))
    assert (refused.status_code, refused.json()["rule"]) == (403, "client.create.sales.own")


def test_what_was_given_to_a_colleague_is_not_replayed(world: World, sales: Caller) -> None:
    row = post(sales, CLIENTS, body_of("client", world)).json()
    contracts = f"{CLIENTS}{row['id']}/contracts/"
    assert sales.patch(f"{CLIENTS}{row['id']}/", {"status": "client"}).status_code == 200
    assert post(sales, contracts, body_of("contract", world), "key-2").status_code == 201
    with acting_as(Role.SUPERUSER):
        Client.objects.filter(pk=row["id"]).update(sales_contact=world.users["other_sales"])
    assert post(sales, CLIENTS, body_of("client", world)).json()["rule"] == "client.create.sales.own"
    assert post(sales, contracts, body_of("contract", world), "key-2").json()["rule"] == "contract.create.sales.own"


def test_a_login_that_is_over_gets_no_replay(world: World, sales: Caller) -> None:
    assert post(sales, CLIENTS, body_of("client", world)).status_code == 201
    assert sales.post(API + "users/logout-all/").status_code == 204
    assert post(sales, CLIENTS, body_of("client", world)).status_code == 401


def test_what_was_deleted_since_is_not_there_and_does_not_come_back(world: World, sales: Caller) -> None:
    first = post(sales, CLIENTS, body_of("client", world))
    assert sales.delete(first["Location"]).status_code == 204
    gone = post(sales, CLIENTS, body_of("client", world))
    assert (gone.status_code, gone.json()["code"], clients()) == (404, "not_found", 2)


def age(user: User, days: str) -> None:
    assert in_sql(f"UPDATE api_idempotency SET created_at = created_at - interval '{days}'", user) == 1


def test_after_fourteen_days_a_key_is_new_though_nobody_has_purged_it(world: World, sales: Caller) -> None:
    user, path, body = world.users["sales"], below(world.own_client), body_of("contract", world)
    first = post(sales, path, body)
    age(user, "13 days 23 hours")
    assert post(sales, path, body).content == first.content
    age(user, "1 hour")
    second = post(sales, path, body | {"name": "Another"})
    assert (second.status_code, is_replay(second), second.json()["name"]) == (201, False, "Another")
    again = post(sales, path, body | {"name": "Another"})
    assert (is_replay(again), again.content, keys_of(user)) == (True, second.content, 1)


def test_what_is_kept_long_enough_is_purged(world: World, sales: Caller, management: Caller) -> None:
    post(management, CLIENTS, body_of("client", world))
    age(world.users["management"], "14 days")
    first = post(sales, below(world.own_client), body_of("contract", world))
    age(world.users["sales"], "13 days 23 hours")
    out = StringIO()
    call_command("purge_idempotency_keys", stdout=out)
    assert out.getvalue() == "Deleted: 1.\n"
    assert (keys_of(world.users["management"]), keys_of(world.users["sales"])) == (0, 1)
    assert post(sales, below(world.own_client), body_of("contract", world)).content == first.content


def test_many_are_purged_some_at_a_time_and_by_the_worker(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(idempotency, "_PURGE", idempotency._PURGE.replace(str(idempotency.MAX_KEYS_PER_PURGE), "2"))
    monkeypatch.setattr(idempotency, "MAX_KEYS_PER_PURGE", 2)
    sql = "INSERT INTO api_idempotency (user_id, key, request, created_at) SELECT {}, n, '', now() - interval '15 days' FROM generate_series(1, 5) n"
    assert in_sql(sql.format(world.users["sales"].pk), world.users["sales"]) == 5
    assert [idempotency.purge_keys() for _ in range(4)] == [2, 2, 1, 0]
    assert in_sql(sql.format(world.users["sales"].pk), world.users["sales"]) == 5
    (job,) = apps.get_app_config("api").background_jobs()  # type: ignore[attr-defined]  # our own AppConfig
    rounds = [job(timedelta()) for _ in range(4)]
    assert rounds == [True, True, False, False], "not again at once where nothing is left, but in an hour"
    assert keys_of(world.users["sales"]) == 0


def test_an_account_takes_its_keys_with_it(world: World, management: Caller, superuser: Caller) -> None:
    user = world.users["management"]
    assert post(management, CLIENTS, body_of("client", world)).status_code == 201
    with acting_as(Role.SUPERUSER, user_id=world.users["superuser"].pk):
        User.objects.filter(pk=user.pk).delete()
    assert keys_of(user) == 0


def test_other_posts_and_methods_ignore_a_key(world: World, sales: Caller) -> None:
    login = {"username": "sales", "password": PASSWORD}
    for key in ("key-1", "é"):
        answers = [post(Caller(), API + "users/login/", login, key) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json()["refresh"] != answers[1].json()["refresh"], "a token is kept nowhere"
        client = f"{CLIENTS}{world.own_client.pk}/"
        for name in ("One", "Two"):
            assert sales.patch(client, {"company_name": name}, HTTP_IDEMPOTENCY_KEY=key).json()["company_name"] == name
    assert keys_of(world.users["sales"]) == 0


def test_a_key_costs_two_statements_more_and_none_costs_none(world: World, management: Caller) -> None:
    def statements(number: int, **headers: str) -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            body = body_of("client", world) | {"email": f"n{number}@new.example"}
            assert management.post(CLIENTS, body, **headers).status_code == 201
        return [query["sql"] for query in queries]

    statements(0)  # the first request takes a lease of its limit
    without, first = statements(1), statements(2, HTTP_IDEMPOTENCY_KEY="key-1")
    assert not [sql for sql in without if "api_idempotency" in sql]
    assert len(first) == len(without) + 2
    assert len(statements(2, HTTP_IDEMPOTENCY_KEY="key-1")) <= len(without)


def test_a_repeat_that_waits_for_too_long_is_told_to_come_again(committed_world: World, migrator: Any) -> None:
    """What the first one does isn't known yet: neither a second row nor an error that reads as final."""
    sales = committed_world.users["sales"]
    body = body_of("client", committed_world)
    migrator.autocommit = False
    with migrator.cursor() as cursor, ThreadPoolExecutor() as pool:
        cursor.execute(
            "INSERT INTO api_idempotency (user_id, key, request) VALUES (%s, 'key-1', '')", [sales.pk]
        )  # the first one, which hangs
        repeat = pool.submit(alone(partial(post_impatiently, Caller.as_user(sales), CLIENTS, body)))
        wait_for_a_blocked_statement(cursor)
        busy = repeat.result(timeout=PATIENCE)
        assert (busy.status_code, busy.json()["code"], busy["Retry-After"]) == (503, "busy", "1")
        migrator.rollback()
        assert post(Caller.as_user(sales), CLIENTS, body).status_code == 201


def test_a_claim_without_an_answer_is_no_answer(world: World, sales: Caller) -> None:
    user = world.users["sales"]
    assert in_sql(f"INSERT INTO api_idempotency (user_id, key, request) VALUES ({user.pk}, 'key-1', '')", user) == 1
    first = post(sales, CLIENTS, body_of("client", world))
    assert (first.status_code, is_replay(post(sales, CLIENTS, body_of("client", world)))) == (201, True)


@pytest.mark.parametrize("role", MATRIX_ROLES)
def test_nobody_reads_or_writes_anothers_answers(role: str, world: World, sales: Caller) -> None:
    assert post(sales, CLIENTS, body_of("client", world)).status_code == 201
    other, user = world.users["other_sales"].pk, world.users["sales"].pk
    creates = role in (Role.SALES, Role.MANAGEMENT, Role.SUPERUSER)
    for statement, outcome in (
        ("SELECT body FROM api_idempotency", []),
        ("UPDATE api_idempotency SET body = 'x'", 0),
        (f"INSERT INTO api_idempotency (user_id, key, request) VALUES ({user}, 'x', 'x')", REFUSED),
        ("DELETE FROM api_idempotency", REFUSED),
    ):
        assert run(statement, role, other) == (outcome if creates else REFUSED), statement
    assert run("SELECT body FROM api_idempotency") == REFUSED, "the login role purges, and reads nothing"
