"""Much of one kind in a short time is told to all managers, once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core import mail as django_mail
from django.core.management import call_command
from django.db import connection, transaction

from access.database import acting_as, because
from access.policy import Role
from accounts.importing.columns import Membership
from accounts.models import Alert, Mail, User
from accounts.outbox import alerts, mails
from accounts.outbox.alerts import send_alerts
from accounts.outbox.delivery import deliver
from accounts.tests.people import left_open
from api.jobs import declared_jobs
from api.tests.test_at_once import alone, wait_for_a_blocked_statement
from clients.models import Client
from conftest import API, PRIVILEGE, Caller, Visitor, World, age_the_trail, make_contract, new_client, refused_with
from contracts.models import Contract

SITE = "/hidden-admin/"
MANAGERS = ["management", "other_management", "superuser"]


@pytest.fixture(autouse=True)
def old_trail(kept_world: None) -> None:
    """The entries of the world that tests share count for no alert. Later tests of this process need them."""
    age_the_trail()


@pytest.fixture(autouse=True)
def small_numbers(settings: Any) -> None:
    settings.ALERTS = {
        "deletions": (4, 600), "changes": (6, 600), "accounts": (30, 600),
        "signatures": (3, 3_600), "reopenings": (4, 3_600), "exports": (3, 3_600),
    }  # fmt: skip


def prospects(world: World, count: int) -> list[Client]:
    with acting_as(Role.SUPERUSER):
        start = Client.objects.count()
        rows = [
            new_client(f"Number{start + number} Co", world.users["other_sales"], status="prospect")
            for number in range(count)
        ]
        return list(Client.objects.bulk_create(rows))


def delete(world: World, count: int, *, name: str = "sales") -> None:
    """A colleague's prospects, as the matrix allows."""
    caller = Caller.as_user(world.users[name])
    for client in prospects(world, count):
        assert caller.delete(f"{API}clients/{client.pk}/").status_code == 204


def sign_and_reopen(contract: Contract, writes: int, *, by: User) -> None:
    for number in range(writes):
        status = "draft" if number % 2 else "signed"
        with because("Again"), acting_as(Role.MANAGEMENT, user_id=by.pk):
            Contract.objects.filter(pk=contract.pk).update(status=status)


def export(world: World, *, count: int = 1) -> None:
    browser = Visitor()
    browser.force_login(world.users["management"])
    for _ in range(count):
        assert browser.post(f"{SITE}accounts/user/export/", {"role": ""}).status_code == 200


def told() -> list[tuple[Any, ...]]:
    with acting_as(Role.AUDITOR):
        return list(Alert.objects.order_by("id").values_list("kind", "actor_name", "subject", "count"))


def mailed() -> list[str]:
    return sorted(Mail.objects.filter(kind="unusual_activity").values_list("user__username", flat=True))


# --- both sides of each threshold


@pytest.mark.parametrize(("count", "expected"), [(3, []), (4, [("deletions", "sales", "", 4)])])
def test_many_deletions_are_told(count: int, expected: Any, world: World) -> None:
    delete(world, count)
    delete(world, 3, name="other_sales")
    assert send_alerts() is bool(expected)
    assert (told(), mailed()) == (expected, MANAGERS if expected else [])


@pytest.mark.parametrize("writes", [2, 3])
def test_a_contract_that_is_signed_and_reopened_again_and_again_is_told(writes: int, world: World) -> None:
    manager = world.users["management"]
    sign_and_reopen(world.own_draft, writes, by=manager)
    sign_and_reopen(world.other_draft, 2, by=manager)
    sign_and_reopen(world.own_draft, 2, by=world.users["other_management"])
    send_alerts()
    assert told() == ([("signatures", "management", str(world.own_draft.pk), 3)] if writes == 3 else [])


@pytest.mark.parametrize("count", [5, 6])
def test_many_changes_are_told(count: int, world: World) -> None:
    caller = Caller.as_user(world.users["other_sales"])
    for client in prospects(world, count):
        assert caller.patch(f"{API}clients/{client.pk}/", {"company_name": f"x{client.pk}"}).status_code == 200
    send_alerts()
    assert told() == ([("changes", "other_sales", "", 6)] if count == 6 else [])


@pytest.mark.parametrize("count", [3, 4])
def test_many_reopened_contracts_are_told_though_each_was_reopened_once(count: int, world: World) -> None:
    manager = world.users["management"]
    with acting_as(Role.SUPERUSER):
        signed = [make_contract(world.own_client, f"Party {number}", signed=True) for number in range(count)]
    for contract in signed:
        with because("Again"), acting_as(Role.MANAGEMENT, user_id=manager.pk):
            Contract.objects.filter(pk=contract.pk).update(status="draft")
    send_alerts()
    assert told() == ([("reopenings", "management", "", 4)] if count == 4 else [])


def test_many_accounts_that_are_switched_off_are_told(world: World) -> None:
    with acting_as(Role.SUPERUSER):
        people = [User.objects.create_user(f"person{number}", role=Role.SALES).pk for number in range(15)]
    for is_active in (False, True):
        with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
            User.objects.filter(pk__in=people).update(is_active=is_active)
    send_alerts()
    assert told()[-1:] == [("accounts", "management", "", 30)]


def test_many_other_rights_of_accounts_are_told(world: World) -> None:
    with acting_as(Role.SUPERUSER):
        people = [User.objects.create_user(f"person{number}", role=Role.SALES) for number in range(16)]
        group = Group.objects.create(name="Friday people")
    manager = world.users["management"]
    with acting_as(Role.MANAGEMENT, user_id=manager.pk):
        User.objects.filter(pk__in=[one.pk for one in people]).update(role=Role.EXTERNAL)
        Membership.objects.bulk_create(Membership(user=one, group=group) for one in people[:14])
    send_alerts()
    assert told()[-1:] == [("accounts", "management", "", 30)]
    with acting_as(Role.AUDITOR):
        assert "given a role or group 30 times by management" in Alert.objects.last().sentence


@pytest.mark.parametrize("count", [2, 3])
def test_many_exports_are_told(count: int, world: World) -> None:
    export(world, count=count)
    send_alerts()
    assert told() == ([("exports", "management", "", 3)] if count == 3 else [])


def test_exports_by_the_command_are_counted_too(world: World) -> None:
    for _ in range(3):
        call_command("export_users", "-", "--verbosity=0", stdout=StringIO())
    send_alerts()
    assert told() == [("exports", "", "", 3)]
    with acting_as(Role.AUDITOR):
        assert Alert.objects.get().sentence == ("Accounts were exported 3 times by no account (a command or SQL)")


def test_it_makes_no_difference_through_what_rows_are_deleted(world: World) -> None:
    first, second, *others = prospects(world, 4)
    sales = world.users["sales"]
    with acting_as(Role.SALES, user_id=sales.pk):
        Client.objects.filter(pk__in=[first.pk, second.pk]).delete()
    caller = Caller.as_user(sales)
    for client in others:
        caller.delete(f"{API}clients/{client.pk}/")
    send_alerts()
    assert told() == [("deletions", "sales", "", 4)]


def test_the_numbers_that_are_set_by_default(world: World, settings: Any) -> None:
    from config import settings as configured

    settings.ALERTS = configured.ALERTS
    assert settings.ALERTS == {
        "deletions": (20, 600), "changes": (100, 600), "accounts": (20, 600),
        "signatures": (3, 3_600), "reopenings": (5, 3_600), "exports": (3, 3_600),
    }  # fmt: skip
    delete(world, 19)
    assert not send_alerts()
    delete(world, 1)
    assert send_alerts()


# --- once


@pytest.mark.parametrize(
    ("actors", "entries"), [(1, 6_000), (4_000, 24_000)], ids=["of one account", "of many accounts"]
)
def test_a_look_takes_no_longer_for_all_the_alerts_that_there_have_been(
    actors: int, entries: int, committed_world: World, migrator: Any, settings: Any
) -> None:
    """An account that works without a pause makes thousands of them in a month, and a statement that takes too long tells of nothing."""
    settings.ALERTS = settings.ALERTS | {"changes": (entries // actors, 600)}
    with migrator.cursor() as cursor:
        cursor.execute("ALTER TABLE eecrm.accounts_alert DISABLE TRIGGER USER")
        cursor.execute(
            "INSERT INTO eecrm.accounts_alert (kind, actor_id, actor_name, subject, count, first_at, last_at, seen, previous_id, told_at)"
            " SELECT 'changes', 1 + number %% %s, 'somebody', '', 100, day - interval '9 min', day, '1:1: 0', number, day"
            "   FROM generate_series(1, 20000) AS number, LATERAL (SELECT now() - interval '2 days' - number * interval '10 min') AS its (day)",
            [actors],
        )
        cursor.execute("ALTER TABLE eecrm.accounts_alert ENABLE TRIGGER USER")
        cursor.execute(
            "INSERT INTO audit.entry (table_name, row_key, operation, actor_id, actor_name, role, channel, request_id, reason, old, new)"
            " SELECT 'clients_client', '1', 'update', 1 + number %% %s, 'somebody', 'eecrm_sales', 'api', '', '', '{}', '{}'"
            "   FROM generate_series(1, %s) AS number",
            [actors, entries],
        )
        cursor.execute("ANALYZE eecrm.accounts_alert; ANALYZE audit.entry")
    with acting_as(Role.MANAGEMENT), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '3s'")
        found = alerts._found(Alert.Kind.CHANGES)
    assert [alert.count for alert in found] == [entries // actors] * actors


def test_it_is_told_once_in_a_period(world: World, events: Any) -> None:
    delete(world, 5)
    events()
    assert send_alerts()
    keys = ("what", "kind", "count")
    assert events(*keys) == ["sensitive_delete what=unusual activity kind=deletions count=5"]
    delete(world, 9)
    assert not send_alerts()
    assert (told(), mailed(), events(*keys)[1:]) == ([("deletions", "sales", "", 5)], MANAGERS, [])
    delete(world, 4, name="management")
    send_alerts()
    assert told()[1:] == [("deletions", "management", "", 4)]


def later(migrator: Any, **period: float) -> None:
    """As if so much time had passed since."""
    with migrator.cursor() as cursor:
        cursor.execute("UPDATE audit.entry SET at = at - %s", [timedelta(**period)])
        cursor.execute(
            "UPDATE eecrm.accounts_alert SET first_at = first_at - %(by)s, last_at = last_at - %(by)s, told_at = told_at - %(by)s",
            {"by": timedelta(**period)},
        )


def test_what_goes_on_is_told_again_after_the_period(committed_world: World, migrator: Any) -> None:
    delete(committed_world, 4)
    assert send_alerts()
    later(migrator, seconds=590)
    delete(committed_world, 4)
    assert not send_alerts(), "the period isn't over"
    later(migrator, seconds=20)
    delete(committed_world, 1)
    assert send_alerts(), "it goes on"
    assert not send_alerts()
    assert told() == [("deletions", "sales", "", 4), ("deletions", "sales", "", 5)]


def test_nobody_has_a_free_hand_after_the_first_mail(committed_world: World, migrator: Any) -> None:
    delete(committed_world, 4)
    assert send_alerts()
    delete(committed_world, 20)
    assert not send_alerts()
    later(migrator, seconds=601)
    assert send_alerts(), "though it did nothing since"
    assert not send_alerts()
    assert told() == [("deletions", "sales", "", 4), ("deletions", "sales", "", 20)]


def test_what_is_spread_over_a_longer_time_is_not_told(committed_world: World, migrator: Any) -> None:
    delete(committed_world, 2)
    later(migrator, seconds=601)
    delete(committed_world, 2)
    assert not send_alerts()


def test_a_worker_that_stood_still_tells_of_it_later(committed_world: World, migrator: Any) -> None:
    delete(committed_world, 4)
    later(migrator, hours=5)
    delete(committed_world, 4)
    assert send_alerts()
    assert send_alerts(), "the second time"
    assert not send_alerts()
    assert told() == [("deletions", "sales", "", 4)] * 2


def test_two_workers_at_once_tell_once(committed_world: World, migrator: Any) -> None:
    """The second one has looked before the first one commits, and waits for it."""
    delete(committed_world, 4)
    with migrator.cursor() as cursor, ThreadPoolExecutor() as pool:
        with transaction.atomic():
            with acting_as(Role.MANAGEMENT):
                (alert,) = alerts._found(Alert.Kind.DELETIONS)
            assert alerts._is_stored(alert)
            second = pool.submit(alone(send_alerts))
            wait_for_a_blocked_statement(cursor)
        assert second.result(timeout=20) is False
    assert len(told()) == 1


def test_many_workers_tell_once(committed_world: World) -> None:
    delete(committed_world, 4)
    with ThreadPoolExecutor(8) as pool:
        found = [one.result(timeout=60) for one in [pool.submit(alone(send_alerts)) for _ in range(8)]]
    assert found.count(True) == 1
    assert (len(told()), mailed()) == (1, MANAGERS)


def test_a_worker_that_is_killed_between_the_alert_and_its_mails_leaves_neither(
    committed_world: World, migrator: Any
) -> None:
    delete(committed_world, 4)

    def kill(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('INSERT INTO "accounts_mail"'):
            with migrator.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM eecrm.accounts_alert")
                assert cursor.fetchone() == (0,)
            connection.connection.close()  # as the end of a process does
        return execute(sql, *rest)

    with pytest.raises(Exception, match="closed"), connection.execute_wrapper(kill):  # noqa: B017,PT011
        send_alerts()
    connection.close()
    assert (told(), mailed()) == ([], [])
    assert send_alerts()
    assert (len(told()), mailed()) == (1, MANAGERS)


def test_what_is_committed_late_is_told_late(committed_world: World, migrator: Any) -> None:
    """The alert tells of what a short transaction did while a long one, which began before it, was under way."""
    sales = committed_world.users["sales"]
    late = [client.pk for client in prospects(committed_world, 5)]
    with left_open(sales, lambda: Client.objects.filter(pk__in=late).delete()):
        delete(committed_world, 4)
        assert send_alerts()
    later(migrator, seconds=601)
    assert send_alerts()
    assert not send_alerts()
    later(migrator, seconds=601)
    assert not send_alerts(), "of each it is told once"
    assert told() == [("deletions", "sales", "", 4), ("deletions", "sales", "", 5)]


# --- what managers get


def test_a_worker_looks_once_a_minute_whatever_it_finds(committed_world: World) -> None:
    (job,) = [job for job in declared_jobs() if job.name.startswith("accounts.outbox.alerts.")]
    delete(committed_world, 4)
    assert job(timedelta(minutes=1)) is False
    delete(committed_world, 4, name="management")
    assert job(timedelta(minutes=1)) is False
    assert len(told()) == 1


@pytest.mark.parametrize("room", [50, 2])
def test_all_that_is_found_together_is_in_one_mail(room: int, committed_world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(mails, "MAX_ALERTS", room)
    names = ("sales", "other_sales", "management")
    for name in names:
        delete(committed_world, 4, name=name)
    call_command("run_worker", "--once")
    assert (len(told()), mailed()) == (3, MANAGERS)
    (body,) = [str(one.body) for one in django_mail.outbox if one.to == ["management@epic.example"]]
    lines = [f"4 rows were deleted by {name} (account {committed_world.users[name].pk}), between " for name in names]
    assert sum(line in body for line in lines) == min(room, 3)
    assert ("And 1 more." in body) is (room == 2)


def test_alerts_about_one_contract_displace_no_others(committed_world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(mails, "MAX_ALERTS", 1)
    sign_and_reopen(committed_world.own_draft, 3, by=committed_world.users["management"])
    export(committed_world, count=3)
    call_command("run_worker", "--once")
    assert [kind for kind, *_ in told()] == ["signatures", "exports"]
    (body,) = [str(one.body) for one in django_mail.outbox if one.to == ["other_management@epic.example"]]
    assert "Accounts were exported 3 times" in body and "And 1 more." in body


def test_the_mail_names_the_account_and_nothing_that_people_typed(world: World) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="sales").update(first_name="Typed", last_name="Words")
    delete(world, 4)
    send_alerts()
    while deliver(timedelta(minutes=1)):
        pass
    sent = [message for message in django_mail.outbox if message.subject.startswith("Unusual activity")]
    assert sorted(message.to[0] for message in sent) == ["management@epic.example", "other_management@epic.example"]
    body = sent[0].body
    assert f"4 rows were deleted by sales (account {world.users['sales'].pk}), between " in body
    assert "Typed" not in body
    assert "hidden-admin" not in body


def test_managers_who_have_left_are_not_told(world: World) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="other_management").update(is_active=False)
    delete(world, 4)
    send_alerts()
    assert mailed() == ["management", "superuser"]


@pytest.mark.parametrize("name", ["management", "superuser", "auditor"])
def test_who_reads_the_trail_reads_alerts_and_changes_none(name: str, world: World) -> None:
    delete(world, 4)
    send_alerts()
    browser = Visitor()
    browser.force_login(world.users[name])
    page = browser.get(f"{SITE}accounts/alert/").content.decode()
    assert f"sales (account {world.users['sales'].pk})" in page
    key = Alert.objects.get().pk
    assert browser.get(f"{SITE}accounts/alert/{key}/change/").status_code == 200
    for path in ("add/", f"{key}/change/", f"{key}/delete/"):
        assert browser.post(f"{SITE}accounts/alert/{path}", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO accounts_alert (kind, actor_name, subject, count, first_at, last_at, previous_id)"
        " VALUES ('deletions', '', '', 1, now(), now(), 0)",
        "UPDATE accounts_alert SET count = 0",
        "DELETE FROM accounts_alert",
        "UPDATE accounts_export SET rows = 0",
        "DELETE FROM accounts_export",
    ],
)
def test_no_role_hides_or_invents_one(role: Role, sql: str, world: World) -> None:
    with refused_with(PRIVILEGE), transaction.atomic(), acting_as(role):
        connection.cursor().execute(sql)


@pytest.mark.parametrize("sql", ["UPDATE accounts_alert SET count = 0", "DELETE FROM accounts_alert"])
def test_the_worker_itself_changes_none(sql: str, world: World) -> None:
    with refused_with(PRIVILEGE), transaction.atomic():
        connection.cursor().execute(sql)


@pytest.mark.parametrize(("kind", "refusal"), [("deletions", ""), ("gossip", "23514")])
def test_the_worker_stores_no_kind_that_nobody_knows(kind: str, refusal: str, sql_refusal: Any) -> None:
    values = f"('{kind}', '', '', 1, now(), now(), 0, '')"
    columns = "kind, actor_name, subject, count, first_at, last_at, previous_id, seen"
    assert sql_refusal(f"INSERT INTO accounts_alert ({columns}) VALUES {values}") == refusal


def test_the_worker_does_it(committed_world: World) -> None:
    delete(committed_world, 4)
    call_command("run_worker", "--once")
    assert told() == [("deletions", "sales", "", 4)]


@pytest.mark.parametrize("kind", list(Alert.Kind))
def test_each_search_goes_by_its_index(kind: Alert.Kind, world: World) -> None:
    """A trail of millions is not read through: the condition is the one that the index is made for."""
    watched = alerts.WATCHED[kind]
    with acting_as(Role.MANAGEMENT), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        cursor.execute(
            f"EXPLAIN SELECT at FROM audit.entry WHERE {watched.entries} AND at > statement_timestamp() - %s"
            " ORDER BY at DESC LIMIT 5",
            [alerts.LOOKBACK],
        )
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert f"using entry_of_{kind.value.rstrip('s')}" in plan, plan
