"""Mails that are owed: written when they are sent, tried again, given up in the open, forgotten in the end."""

import re
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.core import mail as django_mail
from django.core.mail.backends.locmem import EmailBackend as LocmemBackend
from django.db import DatabaseError, OperationalError, connection, transaction
from django.utils import timezone

from access.database import acting_as
from access.policy import Role
from accounts.models import AddressChange, Alert, LinkRequest, Mail, TokenSession, User
from accounts.outbox import delivery, purging
from accounts.outbox.delivery import deliver
from accounts.outbox.mails import UNCONFIRMED_KINDS
from accounts.outbox.purging import purge_expired
from accounts.tests.people import move, newcomer
from api.jobs import Every, declared_jobs
from api.resources import idempotency
from audit.trail import seals
from conftest import Visitor, World

LEASE = timedelta(minutes=3)


def empty_the_queue() -> int:
    rounds = 0
    while deliver(LEASE):
        rounds += 1
    return rounds


def owe(world: World, name: str, kind: str = "password_reset", **fields: Any) -> Mail:
    return Mail.objects.create(kind=kind, user=world.users[name], **fields)


def forgotten(typed: str) -> list[str]:
    """The addresses that mails went to after somebody typed this."""
    LinkRequest.objects.create(typed=typed)
    empty_the_queue()
    return sorted(message.to[0] for message in django_mail.outbox)


def test_a_mail_says_what_to_do_and_bears_a_link_that_works(world: World, client: Any) -> None:
    row = owe(world, "sales")
    assert empty_the_queue() == 1
    (message,) = django_mail.outbox
    assert (message.to, message.subject) == (["sales@epic.example"], "Choose a new password for Epic Events CRM")
    assert "Hello Sales Person,\n" in message.body and "your account sales in" in message.body
    links = re.findall(r"http://127\.0\.0\.1:8000(/\S+)", message.body)
    assert links[1] == "/account/forgotten/"
    assert client.get(links[0]).status_code == 302
    headers = message.message()
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["X-Auto-Response-Suppress"] == "DR, RN, NRN, OOF, AutoReply", "reports of bounces still come"
    assert headers["Message-ID"] == f"<mail-{row.pk}-{row.created_at:%Y%m%d%H%M%S}@localhost>"
    row.refresh_from_db()
    assert (row.sent_at is not None, row.error, row.attempts) == (True, "", 1)


def test_an_invitation_goes_to_whoever_never_set_a_password(world: World) -> None:
    world.users["newcomer"] = newcomer(first_name="Noël & Co")
    owe(world, "newcomer", "invitation")
    late = owe(world, "support", "invitation")
    empty_the_queue()
    (message,) = django_mail.outbox
    assert message.body.startswith("Hello,\n") and "Noël" not in message.body, "a stranger reads no words of a manager"
    assert message.subject == "Your account at Epic Events CRM"
    # Its address isn't confirmed, so whoever comes too late gets no link by the page for forgotten passwords.
    assert forgotten("newcomer") == message.to
    assert "/account/forgotten/" not in message.body and "ask your manager for a new one" in message.body
    late.refresh_from_db()
    assert (late.sent_at, late.error) == (None, "The account has had a password already.")
    assert late.given_up_at


@pytest.mark.parametrize("kind", ["invitation", "password_reset"])
def test_a_manager_has_five_links_a_day_sent_to_one_account(kind: str, world: World) -> None:
    person = newcomer() if kind == "invitation" else world.users["sales"]
    for _ in range(5):
        with acting_as(Role.MANAGEMENT):
            Mail.objects.create(kind=kind, user=person)
    with pytest.raises(DatabaseError, match="five links within a day"), acting_as(Role.MANAGEMENT):
        Mail.objects.create(kind=kind, user=person)
    browser = Visitor()
    browser.force_login(world.users["management"])
    action = "send_invitation" if kind == "invitation" else "send_reset"
    form = {"action": action, "_selected_action": [person.pk, world.users["support"].pk]}
    page = browser.confirm("/hidden-admin/accounts/user/", form, follow=True)
    assert "was sent 5 links within a day" in page.content.decode()
    assert Mail.objects.filter(user=person).count() == 5
    Mail.objects.create(kind="password_reset", user=world.users["sales"])  # as the login role, for whoever forgot it


@pytest.mark.parametrize("kind", UNCONFIRMED_KINDS)
def test_a_mail_to_an_address_that_nobody_confirmed_has_no_words_of_a_user(kind: Mail.Kind, world: World) -> None:
    """Mail programs turn the username into a link, and anna.smith is one that a company gives."""
    stranger = "stranger@victim.example"
    words = {"username": "evil.example", "first_name": "Prize", "last_name": "Winner"}
    if kind == Mail.Kind.INVITATION:
        user = newcomer(**words, email=stranger)
    else:
        user = world.users["sales"]
        with acting_as(Role.SUPERUSER):
            User.objects.filter(pk=user.pk).update(**words)
        AddressChange.objects.create(user=user, address=stranger)
    Mail.objects.all().delete()
    Mail.objects.create(kind=kind, user=user, address="" if kind == Mail.Kind.INVITATION else stranger)
    empty_the_queue()
    (message,) = django_mail.outbox
    assert message.to == [stranger]
    text = f"{message.subject} {message.body}".lower()
    assert not [word for word in (*words.values(), "victim") if word.lower() in text]


@pytest.mark.parametrize("address", ["", "stranger@victim.example"])
@pytest.mark.parametrize("kind", sorted(set(Mail.Kind) - set(UNCONFIRMED_KINDS)))
def test_all_other_mails_go_to_confirmed_addresses_only(kind: str, address: str, world: World) -> None:
    """Some name other accounts, or have a link to a new password."""
    user, now = newcomer(role=Role.MANAGEMENT), timezone.now()
    alert = Alert.objects.create(kind="deletions", count=4, first_at=now, last_at=now)
    row = Mail.objects.create(
        kind=kind, user=user, address=address, alert=alert if kind == Mail.Kind.UNUSUAL_ACTIVITY else None
    )
    Mail.objects.exclude(pk=row.pk).delete()
    empty_the_queue()
    row.refresh_from_db()
    assert (django_mail.outbox, row.error) == ([], "The address of the account isn't confirmed.")


BECAME = ("created_at", "due_at", "attempts", "sent_at", "given_up_at", "seen")  # what became of a mail


@pytest.mark.parametrize("role", [Role.MANAGEMENT, Role.SUPERUSER])
def test_nobody_says_that_managers_were_told(role: Role, world: World) -> None:
    later = timezone.now() + timedelta(days=999)
    values = {"sent_at": later, "given_up_at": later, "due_at": later, "created_at": later, "attempts": 9}
    with acting_as(role):
        made = Mail.objects.create(kind="account_news", user=world.users["management"], seen="9:9: 9", **values)
    before = Mail.objects.filter(pk=made.pk).values(*BECAME).get()
    assert before["created_at"] == before["due_at"] < timezone.now()
    assert [before[name] for name in BECAME[2:]] == [0, None, None, ""]
    if role is Role.SUPERUSER:
        del values["created_at"]
    with acting_as(role):
        Mail.objects.filter(pk=made.pk).update(**values)
    assert Mail.objects.filter(pk=made.pk).values(*BECAME).get() == before


def test_people_have_sent_again_what_was_given_up_and_no_more(world: World) -> None:
    row = owe(world, "sales")
    Mail.objects.filter(pk=row.pk).update(
        given_up_at=timezone.now(), attempts=9, deferrals=3, is_refused=True, error="SMTPDataError 554"
    )
    later = timezone.now() + timedelta(days=999)
    with acting_as(Role.MANAGEMENT):
        Mail.objects.filter(pk=row.pk).update(given_up_at=None, due_at=later, sent_at=later, attempts=9, error="")
    row.refresh_from_db()
    assert (row.given_up_at, row.sent_at, row.attempts, row.error) == (None, None, 0, "")
    assert (row.deferrals, row.is_refused) == (0, False)
    assert row.due_at < timezone.now()


def test_a_mail_may_go_to_another_address(world: World) -> None:
    world.users["newcomer"] = newcomer()
    owe(world, "newcomer", "invitation", address="tester@epic.example")
    empty_the_queue()
    assert django_mail.outbox[0].to == ["tester@epic.example"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"is_active": False}, "The account is inactive."), ({"email": ""}, "The account has no email address.")],
)
def test_nothing_goes_to_an_account_that_must_not_have_it(change: dict[str, Any], reason: str, world: World) -> None:
    row = owe(world, "sales")
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="sales").update(**change)
    Mail.objects.exclude(pk=row.pk).update(sent_at=timezone.now())
    empty_the_queue()
    row.refresh_from_db()
    assert (django_mail.outbox, row.error, row.given_up_at is None) == ([], reason, False)


@pytest.mark.parametrize(
    ("kind", "has_alert", "fields", "constraint"),
    [
        ("chain_letter", False, {}, "mail_kind_known"), ("unusual_activity", False, {}, "mail_names_its_alert"),
        ("invitation", True, {}, "mail_names_its_alert"), ("password_reset", False, {}, ""),
        ("unusual_activity", True, {}, ""),
        ("password_reset", False, {"is_address_confirmed": True}, "mail_confirmed_address"),
        ("password_reset", False, {"is_address_confirmed": True, "address": "a@epic.example"}, ""),
    ],
)  # fmt: skip
def test_sql_writes_no_mail_that_nobody_could_compose(
    kind: str, has_alert: bool, fields: dict[str, Any], constraint: str, world: World
) -> None:
    now = timezone.now()
    alert = Alert.objects.create(kind="deletions", count=4, first_at=now, last_at=now) if has_alert else None
    with pytest.raises(DatabaseError, match=constraint) if constraint else nullcontext(), transaction.atomic():
        owe(world, "management", kind, alert=alert, **fields)


def test_a_claim_is_a_lease(world: World) -> None:
    row = owe(world, "sales")
    assert delivery._claim(LEASE) == row
    assert delivery._claim(LEASE) is None
    row.refresh_from_db()
    assert row.attempts == 1
    assert timedelta() < row.due_at - row.created_at - LEASE < timedelta(minutes=1)
    Mail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert delivery._claim(LEASE) == row


def test_a_claim_takes_one_mail_whatever_the_planner_thinks_of_the_table(world: World) -> None:
    for name in ("sales", "support", "auditor"):
        owe(world, name)
    with connection.cursor() as cursor:
        for plan in ("hashagg", "sort", "material", "hashjoin", "mergejoin"):
            cursor.execute(f"SET LOCAL enable_{plan} = off")
    delivery._claim(LEASE)
    assert Mail.objects.filter(attempts=1).count() == 1


def test_what_is_not_due_yet_waits(world: World) -> None:
    owe(world, "sales", due_at=timezone.now() + timedelta(minutes=1))
    assert empty_the_queue() == 0


def test_what_ends_the_worker_each_time_is_given_up(world: World) -> None:
    row = owe(world, "sales", attempts=8)
    empty_the_queue()
    row.refresh_from_db()
    assert (django_mail.outbox, row.error) == ([], "The worker was ended during each try.")


# Forgotten passwords


@pytest.mark.parametrize("typed", ["sales", "sales@epic.example"])
def test_whoever_forgot_the_password_gets_a_mail(typed: str, world: World) -> None:
    assert forgotten(typed) == ["sales@epic.example"]
    assert not LinkRequest.objects.exists()


def test_the_stored_address_decides_and_not_the_typed_one(world: World) -> None:
    move("sales", "Sales.Person@Epic.example")
    Mail.objects.all().delete()
    assert forgotten("sales.person@epic.EXAMPLE") == ["Sales.Person@epic.example"]


def test_accounts_that_share_an_address_get_a_mail_each(world: World) -> None:
    for name in ("management", "auditor"):
        move(name, "shared@epic.example")
    Mail.objects.all().delete()
    assert forgotten("shared@epic.example") == ["shared@epic.example"] * 2
    assert {re.findall("your account (.*) in", message.body)[0] for message in django_mail.outbox} == {
        "management",
        "auditor",
    }


def test_an_address_of_many_accounts_floods_nobody(world: World) -> None:
    with acting_as(Role.SUPERUSER):
        some = world.users["sales"].password
        User.objects.bulk_create(User(username=f"n{i}", email="many@epic.example", password=some) for i in range(20))
    assert len(forgotten("many@epic.example")) == delivery.MAX_ACCOUNTS_PER_ADDRESS


@pytest.mark.parametrize("typed", ["nobody", "nobody@epic.example", "support", "superuser", "%", "sale_"])
def test_unknown_inactive_and_unreachable_accounts_get_none(typed: str, world: World) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="support").update(is_active=False)
    assert forgotten(typed) == []
    assert not Mail.objects.exists()
    assert not LinkRequest.objects.exists()


def test_asking_again_and_again_sends_one_mail_in_ten_minutes(world: World) -> None:
    for typed in ("sales", "sales@epic.example", "sales"):
        forgotten(typed)
    assert len(django_mail.outbox) == 1
    with acting_as(Role.SUPERUSER):
        Mail.objects.update(created_at=timezone.now() - timedelta(minutes=11))
    assert len(forgotten("sales")) == 2


@pytest.mark.parametrize("became", ["sent", "put off", "refused"])
def test_asking_again_after_the_address_was_corrected_sends_a_mail(became: str, world: World) -> None:
    forgotten("sales")
    if became != "sent":
        later = timezone.now() + timedelta(hours=1)
        fields = {"deferrals": 3, "due_at": later} if became == "put off" else {"given_up_at": later}
        Mail.objects.update(sent_at=None, **fields)
    django_mail.outbox.clear()
    move("sales", "corrected@epic.example")
    Mail.objects.filter(kind="address_changed").delete()
    Mail.objects.exclude(kind="password_reset").delete()
    assert forgotten("sales") == ["corrected@epic.example"]
    assert forgotten("sales") == ["corrected@epic.example"], "one mail in ten minutes"


def test_a_request_that_a_worker_left_is_answered_when_its_lease_ends(world: World) -> None:
    LinkRequest.objects.create(typed="sales", due_at=timezone.now() + LEASE)
    assert empty_the_queue() == 0
    LinkRequest.objects.update(due_at=timezone.now())
    assert empty_the_queue() == 2
    assert [message.to for message in django_mail.outbox] == [["sales@epic.example"]]


def test_a_request_with_an_error_stays_until_its_lease_ends(world: World) -> None:
    def fail(execute: Any, sql: str, params: Any, *rest: Any) -> Any:
        if sql.startswith("DELETE") and "accounts_linkrequest" in sql:
            raise OperationalError("server closed the connection")
        return execute(sql, params, *rest)

    LinkRequest.objects.create(typed="sales")
    with pytest.raises(OperationalError), connection.execute_wrapper(fail):
        deliver(LEASE)
    assert not Mail.objects.exists()
    assert LinkRequest.objects.get().due_at > timezone.now() + LEASE / 2
    assert not deliver(LEASE)


def test_invitations_go_last_and_requests_for_links_take_turns_with_mails(world: World) -> None:
    """An import may queue thousands of invitations, which delay neither alarms nor links to new passwords."""
    world.users["newcomer"] = newcomer()
    early = timezone.now() - timedelta(hours=1)
    for _ in range(2):
        owe(world, "newcomer", "invitation", due_at=early)
        owe(world, "support", "address_notice")
        LinkRequest.objects.create(typed=f"nobody {_}")
    LinkRequest.objects.create(typed="sales", due_at=early)
    sent = []
    while deliver(LEASE):
        sent.append((len(django_mail.outbox), LinkRequest.objects.count()))
    # The first round answers the request of `sales`, whose link goes before the invitations, too.
    assert sent == [(1, 2), (2, 1), (3, 0), (4, 0), (5, 0)]
    to = ["support@epic.example"] * 2 + ["sales@epic.example"] + ["newcomer@epic.example"] * 2
    assert [message.to[0] for message in django_mail.outbox] == to


def test_a_request_of_a_day_ago_is_dropped(world: World) -> None:
    now = timezone.now()
    for typed, hours in (("old", 25), ("new", 23)):
        LinkRequest.objects.create(typed=typed, created_at=now - timedelta(hours=hours))
    purge_expired()
    assert [request.typed for request in LinkRequest.objects.all()] == ["new"]


# Failures


def test_a_mail_that_cannot_be_written_does_not_stop_the_others(world: World, monkeypatch: Any) -> None:
    compose = delivery.mails.compose

    def fail_for_sales(mail: Mail, user: User) -> Any:
        if user.username == "sales":
            raise KeyError("sales@epic.example")
        return compose(mail, user)

    monkeypatch.setattr(delivery.mails, "compose", fail_for_sales)
    broken = owe(world, "sales")
    owe(world, "support")
    assert empty_the_queue() == 2
    broken.refresh_from_db()
    assert (broken.error, [message.to for message in django_mail.outbox]) == ("KeyError", [["support@epic.example"]])


def test_a_late_failure_does_not_undo_what_another_worker_did(world: World) -> None:
    row = owe(world, "sales")
    slow = delivery._claim(LEASE)
    assert slow is not None
    Mail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    empty_the_queue()
    try:
        raise TimeoutError
    except TimeoutError as error:
        delivery._note_failure(slow, error)
    row.refresh_from_db()
    assert (row.sent_at is not None, row.error) == (True, "")


# A disk without room for the audit trail

FULL_DISK = """
    CREATE OR REPLACE FUNCTION eecrm.fail() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE 'full' USING ERRCODE = '53100'; END $$;
    CREATE TRIGGER fail BEFORE INSERT ON audit.entry EXECUTE FUNCTION eecrm.fail()
"""
ROOM_AGAIN = "DROP FUNCTION IF EXISTS eecrm.fail() CASCADE"


@pytest.fixture
def write_ddl(migrator: Any) -> Iterator[Any]:
    """Runs one statement as the migrator. At the end, the disk has room again."""
    with migrator.cursor() as cursor:
        yield cursor.execute
        cursor.execute(ROOM_AGAIN)


class DiskFillingServer(LocmemBackend):
    """Takes mails, while the disk of the database becomes full."""

    write_ddl: Any

    def send_messages(self, messages: Any) -> int:
        self.write_ddl(FULL_DISK)
        return int(super().send_messages(messages))


@pytest.mark.parametrize("is_full_before", [True, False])
def test_on_a_full_disk_each_mail_leaves_once(
    is_full_before: bool, committed_world: World, write_ddl: Any, settings: Any, monkeypatch: Any
) -> None:
    row = owe(committed_world, "sales")
    if is_full_before:
        write_ddl(FULL_DISK)
    else:
        settings.EMAIL_BACKEND = f"{__name__}.{DiskFillingServer.__name__}"
        monkeypatch.setattr(DiskFillingServer, "write_ddl", staticmethod(write_ddl), raising=False)
    for _ in range(3):
        with pytest.raises(DatabaseError, match="full"):
            deliver(LEASE)
        Mail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        row.refresh_from_db()
        assert (len(django_mail.outbox), row.attempts, row.sent_at) == (
            (0, 0, None) if is_full_before else (1, 1, None)
        )
    write_ddl(ROOM_AGAIN)
    empty_the_queue()
    row.refresh_from_db()
    assert (len(django_mail.outbox), row.attempts, row.sent_at is None) == (1, 1, False)


# The folder of a laptop


def test_on_a_laptop_a_mail_is_a_file_for_its_owner_alone(world: World, settings: Any, tmp_path: Any) -> None:
    settings.EMAIL_BACKEND, settings.MAIL_FOLDER = "accounts.outbox.folder.FolderBackend", tmp_path / "mail"
    row = owe(world, "sales")
    for _ in range(2):
        Mail.objects.update(sent_at=None, due_at=timezone.now() - timedelta(seconds=1))
        empty_the_queue()
    (file,) = settings.MAIL_FOLDER.iterdir()
    assert re.fullmatch(rf"mail-{row.pk}-\d{{14}}\.eml", file.name)
    assert (file.stat().st_mode & 0o777, settings.MAIL_FOLDER.stat().st_mode & 0o777) == (0o600, 0o700)
    assert b"To: sales@epic.example" in file.read_bytes()


# Jobs


def test_many_old_rows_are_purged_in_several_turns(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(purging, "MAX_ROWS_PER_TURN", 2)
    for number in range(5):
        Session.objects.create(session_key=str(number), session_data="", expire_date=timezone.now())
    assert [purge_expired() for _ in range(3)] == [True, True, False]
    assert not Session.objects.exists()


def test_old_logins_sessions_and_mails_are_purged_and_no_others(world: World) -> None:
    now = timezone.now()
    fields = {"user": world.users["sales"], "rotated_at": now}
    ages = {"open": (None, 1), "just revoked": (-29, 1), "revoked": (-31, 1), "just expired": (None, -29), "expired": (None, -31)}  # fmt: skip
    keys = {name: uuid4() for name in ages}
    for name, (revoked, expires) in ages.items():
        TokenSession.objects.create(
            id=keys[name], refresh_jti=uuid4(), expires_at=now + timedelta(days=expires),
            revoked_at=revoked and now + timedelta(days=revoked), **fields,
        )  # fmt: skip
    Session.objects.create(session_key="old", session_data="", expire_date=now - timedelta(seconds=1))
    Session.objects.create(session_key="new", session_data="", expire_date=now + timedelta(days=1))
    sent = {age: owe(world, "sales", sent_at=now - timedelta(days=age)).pk for age in (89, 91)}
    dead = owe(world, "sales", given_up_at=now - timedelta(days=91))
    waiting = owe(world, "sales")
    purge_expired()
    assert set(TokenSession.objects.values_list("pk", flat=True)) == {
        keys[name] for name in ("open", "just revoked", "just expired")
    }
    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]
    assert set(Mail.objects.values_list("pk", flat=True)) == {sent[89], dead.pk, waiting.pk}


def test_a_job_for_every_hour_runs_once_in_an_hour(monkeypatch: Any) -> None:
    ran: list[int] = []
    job = Every(3600, lambda: ran.append(1))
    for moment in (10_000, 10_001, 13_599, 13_600):
        monkeypatch.setattr("time.monotonic", lambda moment=moment: float(moment))
        assert job(LEASE) is False
    assert len(ran) == 2


def test_a_job_for_every_hour_that_has_more_to_do_is_done_again_at_once(monkeypatch: Any) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 10_000.0)
    more = iter([True, True, False])
    job = Every(3600, lambda: next(more))
    assert [job(LEASE) for _ in range(5)] == [True, True, False, False, False]


def test_the_worker_knows_the_jobs_of_every_app() -> None:
    actions = [job.action for job in declared_jobs()]
    assert actions[0] == seals.seal_entries, "mails and sweeping come after the seals"
    assert {deliver, purge_expired, idempotency.sweep} <= set(actions)


def test_a_job_that_fails_waits_twice_as_long_each_time_up_to_five_minutes(monkeypatch: Any) -> None:
    now, tried = [10_000.0], []
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def fail() -> None:
        tried.append(now[0])
        raise KeyError

    job = Every(3600, fail)
    for _ in range(2_000):
        with suppress(KeyError):
            job(LEASE)
        now[0] += 1
    gaps = [after - before for before, after in pairwise(tried)]
    assert gaps == [5, 10, 20, 40, 80, 160, 300, 300, 300, 300, 300]
    job.action = lambda: None
    now[0] += 300
    job(LEASE)
    now[0] += 3600
    job.action = fail
    with pytest.raises(KeyError):
        job(LEASE)
    now[0] += 5
    with pytest.raises(KeyError):
        job(LEASE)
