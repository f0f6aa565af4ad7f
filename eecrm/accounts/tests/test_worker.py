"""The worker as a process: killed, stopped, several at once. Nothing is lost, nothing is sent twice."""

import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path
from random import Random
from typing import Any

import psycopg2
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from access.database import acting_as
from access.policy import Role
from accounts.models import LinkRequest, Mail, User
from accounts.passwords import links
from api.jobs import Every, declared_jobs
from api.management.commands import run_worker
from config.environment import ROOT, env
from conftest import PATIENCE, Visitor, World


def owe_many(number: int, *, first: int = 0) -> None:
    with acting_as(Role.SUPERUSER):
        users = User.objects.bulk_create(
            User(username=f"reader{i}", email=f"reader{i}@epic.example", password="!")
            for i in range(first, first + number)
        )
        Mail.objects.bulk_create(Mail(kind="invitation", user=user) for user in users)


def environment_of(home: Path) -> dict[str, str]:
    """The accounts that `owe_many` makes are no news."""
    return {"PG_DATABASE": connection.settings_dict["NAME"], "EECRM_HOME": str(home), "ALERT_ACCOUNTS": "9999"}


def start(home: Path, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(ROOT / "eecrm" / "manage.py"), "run_worker", *arguments]
    environment = os.environ | environment_of(home) | variables
    with (home / "log").open("ab") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


# Starting Python twenty times takes most of a minute, so the workers that are killed are forks of one that is ready.
NURSERY = """
import os, signal, sys, django
django.setup()
from django.core.management import call_command
from django.urls import get_resolver
get_resolver().url_patterns
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        call_command("run_worker", "--lease=1")
        os._exit(0)
    print(child, flush=True)
"""


@contextmanager
def nursery(home: Path) -> Iterator[Callable[[], int]]:
    """`start_worker()`, which returns the id of a process of its own."""
    environment = os.environ | environment_of(home)
    with (home / "log").open("w") as log, subprocess.Popen(
        [sys.executable, "-c", NURSERY], env=environment, cwd=ROOT / "eecrm", stderr=log,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    ) as parent:  # fmt: skip

        def start_worker() -> int:
            parent.stdin.write("\n")
            return int(parent.stdout.readline())

        yield start_worker
        parent.stdin.close()
        assert parent.wait(PATIENCE) == 0


def is_over(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def files(home: Path) -> set[str]:
    return {path.name for path in (home / "mail").glob("*.eml")}


def wait_until(holds: Callable[[], bool], home: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, (home / "log").read_text()[-3000:]
        time.sleep(0.005)


def test_a_worker_that_is_killed_again_and_again_loses_no_mail_and_doubles_none(
    committed_world: World, tmp_path: Path, chance: Random
) -> None:
    owed, kills, is_hit = 0, 0, False
    with nursery(tmp_path) as start_worker:
        # Until some kill has hit a mail in hand, which is so at once for most.
        while kills < 20 or not is_hit:
            assert kills < 200, "no kill hit a mail in hand"
            if Mail.objects.waiting().count() < 100:
                owe_many(100, first=owed)
                owed += 100
            worker = start_worker()
            # After a few mails more, in the midst of whatever it is doing then.
            seen = len(files(tmp_path)) + chance.randint(1, 8)
            wait_until(lambda seen=seen: len(files(tmp_path)) >= seen, tmp_path)
            os.kill(worker, signal.SIGKILL)
            wait_until(lambda worker=worker: is_over(worker), tmp_path)
            kills, is_hit = kills + 1, Mail.objects.filter(attempts__gt=0, sent_at=None).exists()
        survivor = start_worker()
        wait_until(lambda: not Mail.objects.waiting().exists(), tmp_path)
        os.kill(survivor, signal.SIGTERM)
        wait_until(lambda: is_over(survivor), tmp_path)
    assert (tmp_path / "log").read_text().count('"worker_ended"') == 1
    assert Mail.objects.filter(attempts__gt=1).exists(), "what was in hand wasn't tried again"
    assert Mail.objects.exclude(sent_at=None).count() == owed
    addressed = Counter(message_from_bytes((tmp_path / "mail" / name).read_bytes())["To"] for name in files(tmp_path))
    assert addressed == {f"reader{i}@epic.example": 1 for i in range(owed)}


class Sink(socketserver.StreamRequestHandler):
    """As much of a mail server as it takes to receive."""

    def handle(self) -> None:
        self.wfile.write(b"220 test\r\n")
        for line in self.rfile:
            self.server.before_answer()  # type: ignore[attr-defined]  # `sink` sets it
            match line[:4].upper():
                case b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    content = b""
                    while not content.endswith(b"\r\n.\r\n"):
                        line = self.rfile.readline()
                        if not line:  # the worker was asked to stop
                            return
                        content += line
                    self.server.received.append(message_from_bytes(content)["Message-ID"])  # type: ignore[attr-defined]
                    self.server.when_received(self.server.received)  # type: ignore[attr-defined]
                    self.wfile.write(b"250 taken\r\n")
                case b"QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                case _:
                    self.wfile.write(b"250 ok\r\n")


@contextmanager
def sink(
    received: Callable[[list[str]], None] = lambda _: None, *, before_answer: Callable[[], object] = bool
) -> Iterator[Any]:
    """A mail server, which calls `received` with all that it has before it says that it has taken a mail."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Sink) as server:
        server.received, server.when_received = [], received  # type: ignore[attr-defined]
        server.before_answer = before_answer  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def variables_of(server: Any) -> dict[str, str]:
    host, port = server.server_address
    return {"EMAIL_HOST": host, "EMAIL_PORT": str(port), "EMAIL_SECURITY": "none"}


def test_two_workers_at_once_send_each_mail_once(committed_world: World, tmp_path: Path) -> None:
    owe_many(60)
    with sink() as server:
        workers = [start(tmp_path, "--once", **variables_of(server)) for _ in range(2)]
        assert [worker.wait(PATIENCE) for worker in workers] == [0, 0], (tmp_path / "log").read_text()[-3000:]
    assert Counter(Counter(server.received).values()) == {1: 60}
    assert not Mail.objects.waiting().exists()
    assert not (tmp_path / "mail").exists()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_asked_to_stop_finishes_the_mail_in_hand(
    signum: int, committed_world: World, tmp_path: Path
) -> None:
    owe_many(10)
    in_hand, asked = threading.Event(), threading.Event()

    def hold_the_third(received: list[str]) -> None:
        if len(received) == 3:
            in_hand.set()
            asked.wait(PATIENCE)

    with sink(hold_the_third) as server:
        worker = start(tmp_path, **variables_of(server))
        assert in_hand.wait(PATIENCE), (tmp_path / "log").read_text()[-3000:]
        worker.send_signal(signum)
        wait_until(lambda: "worker_stopping" in (tmp_path / "log").read_text(), tmp_path)
        asked.set()
        assert worker.wait(PATIENCE) == 0
    assert len(server.received) == 3
    assert Mail.objects.exclude(sent_at=None).count() == Mail.objects.filter(attempts=1).count() == 3
    assert "worker_ended" in (tmp_path / "log").read_text()


def test_a_slow_mail_server_holds_up_no_seal(committed_world: World, migrator: Any, tmp_path: Path) -> None:
    owe_many(1)
    in_hand, sealed = threading.Event(), threading.Event()

    def hesitate() -> None:
        in_hand.set()
        sealed.wait(8)  # below EMAIL_TIMEOUT each time, and five times below MAX_SESSION_SECONDS

    def is_sealed_up_to(last: int) -> bool:
        with migrator.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT FROM audit.seal WHERE last_id >= %s)", [last])
            return bool(cursor.fetchone()[0])

    with sink(before_answer=hesitate) as server:
        worker = start(tmp_path, **variables_of(server))
        try:
            assert in_hand.wait(PATIENCE), (tmp_path / "log").read_text()[-3000:]
            owe_many(1, first=1)  # entries of the trail
            with migrator.cursor() as cursor:
                cursor.execute("SELECT max(id) FROM audit.entry")
                (last,) = cursor.fetchone()
            wait_until(lambda: is_sealed_up_to(last), tmp_path)
            assert not Mail.objects.exclude(sent_at=None).exists()
            sealed.set()
            wait_until(lambda: Mail.objects.exclude(sent_at=None).exists(), tmp_path)  # else the stop may end the mail
        finally:
            sealed.set()
            worker.terminate()
        assert worker.wait(PATIENCE) == 0
    assert "worker_ended" in (tmp_path / "log").read_text()
    assert Mail.objects.exclude(sent_at=None).count() == len(server.received) > 0


def test_the_log_tells_each_mail_and_no_address_or_link(committed_world: World, tmp_path: Path) -> None:
    owe_many(3)
    assert start(tmp_path, "--once").wait(PATIENCE) == 0
    log = (tmp_path / "log").read_text()
    assert log.count('"mail_sent"') == 3
    assert '"attempt":1' in log and '"milliseconds":' in log
    assert "@epic.example" not in log and "/account/" not in log


def test_an_account_with_an_outside_identity_gets_no_link(
    committed_world: World, migrator: Any, tmp_path: Path
) -> None:
    sales = User.objects.defer(None).get(username="sales")
    link = links.PASSWORD_RESET.url(sales)
    Mail.objects.create(kind="password_reset", user=sales)
    LinkRequest.objects.create(typed="support")
    with migrator.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_externalidentity (user_id, issuer, subject, created_at)"
            " SELECT id, 'https://id.example', id, now() FROM accounts_user WHERE username IN ('sales', 'support')"
        )
    assert start(tmp_path, "--once").wait(PATIENCE) == 0
    (row,) = Mail.objects.all()
    assert row.error == "The account logs in with an outside identity and has no password here."
    assert not files(tmp_path)
    assert Visitor().get(link.removeprefix("http://127.0.0.1:8000")).status_code == 404


def test_a_worker_survives_the_loss_of_its_connection(committed_world: World, migrator: Any, tmp_path: Path) -> None:
    worker = start(tmp_path)
    owe_many(1)
    wait_until(lambda: len(files(tmp_path)) == 1, tmp_path)
    settings = connection.settings_dict
    admin = psycopg2.connect(
        host=settings["HOST"], port=settings["PORT"], dbname=settings["NAME"], user=env("PG_ADMIN_USER"),
        password=env("PG_ADMIN_PASSWORD"),
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        ours = cursor.fetchone()[0]
    with admin.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = 'eecrm_app' AND pid <> %s",
            [ours],
        )
        assert cursor.fetchone()[0] >= 1
    admin.close()
    Mail.objects.create(kind="password_reset", user=committed_world.users["sales"])
    wait_until(lambda: len(files(tmp_path)) == 2, tmp_path)
    worker.terminate()
    assert worker.wait(PATIENCE) == 0


def job(action: Callable[[], Any]) -> Every:
    return Every(0.0, action)


def sql(statement: str) -> Callable[[], None]:
    def run() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)

    return run


def take_turn(*actions: Callable[[], Any]) -> run_worker.Turn:
    with run_worker.stop_request() as stop:
        return run_worker.work([job(action) for action in actions], timedelta(), stop)


def test_a_turn_ends_at_once_where_there_is_more_to_do(in_the_open: None) -> None:
    assert take_turn(lambda: True, lambda: False) == (0.0, False)
    assert take_turn(lambda: False) == (run_worker.IDLE, False)


def fail() -> None:
    raise KeyError("x")


@pytest.mark.parametrize(
    ("action", "sqlstate", "reason"),
    [
        (fail, "", None),
        (sql("SELECT 1 / 0"), "22012", None),
        (sql("SET LOCAL statement_timeout = 1; SELECT pg_sleep(5)"), "57014", "timeout"),
        (sql("DO $$ BEGIN RAISE 'full' USING ERRCODE = '53100'; END $$"), "53100", "disk_full"),
        (sql("SET TRANSACTION READ ONLY; SELECT take_limits('{x}', '{1}', '{1}', '{1}')"), "25006", "read_only"),
    ],
)
def test_a_job_that_fails_is_told_by_name_and_keeps_no_other_from_being_done(
    action: Callable[[], Any], sqlstate: str, reason: str | None, in_the_open: None, caplog: Any
) -> None:
    done: list[int] = []
    assert take_turn(action, lambda: done.append(1)) == (run_worker.IDLE, True)
    assert done == [1]
    (line,) = [record for record in caplog.records if record.name == "eecrm.worker"]
    assert (line.message, line.sqlstate, getattr(line, "reason", None)) == ("worker_job_failed", sqlstate, reason)
    assert line.job == job(action).name
    assert bool(line.exc_info) == (reason is None), "what nobody foresaw has a traceback, an outage has none"


def test_a_job_that_loses_its_connection_keeps_no_other_from_being_done(in_the_open: None, caplog: Any) -> None:
    done: list[int] = []
    ended = sql("SELECT pg_terminate_backend(pg_backend_pid())")
    assert take_turn(ended, sql("SELECT 1"), lambda: done.append(1)) == (run_worker.IDLE, True)
    assert done == [1]
    assert [record.message for record in caplog.records if record.name == "eecrm.worker"] == ["worker_lost_database"]


def test_without_a_database_the_jobs_that_are_left_wait(in_the_open: None) -> None:
    def lose() -> None:
        connection.settings_dict["PORT"] = "1"
        connection.close()
        sql("SELECT 1")()

    there = connection.settings_dict["PORT"]
    try:
        assert take_turn(lose, lambda: pytest.fail("no database")) == (run_worker.AFTER_TROUBLE, True)
    finally:
        connection.settings_dict["PORT"] = there


def test_a_lock_on_the_mails_keeps_neither_seals_nor_sweeping_from_being_done(
    committed_world: World, migrator: Any, caplog: Any
) -> None:
    migrator.autocommit = False
    with migrator.cursor() as cursor, connection.cursor() as ours:
        cursor.execute("LOCK accounts_mail IN EXCLUSIVE MODE; SELECT max(id) FROM audit.entry")
        (last,) = cursor.fetchone()
        ours.execute("SET lock_timeout = '100ms'")
        with run_worker.stop_request() as stop:
            deadline = time.monotonic() + PATIENCE
            seals = 0
            while not seals and time.monotonic() < deadline:  # the first turns note where to seal up to
                assert run_worker.work(declared_jobs(), timedelta(minutes=3), stop).has_failed
                cursor.execute("SELECT count(*) FROM audit.seal WHERE last_id >= %s", [last])
                (seals,) = cursor.fetchone()
    migrator.rollback()
    connection.close()
    assert seals
    failed = {(line.job, line.sqlstate, line.reason) for line in caplog.records if line.message == "worker_job_failed"}
    purging = ("accounts.outbox.purging.purge_expired", "55P03", "busy")
    assert failed == {("accounts.outbox.delivery.deliver", "55P03", "busy"), purging}
    assert "worker_lost_database" not in [record.message for record in caplog.records]


def test_a_worker_that_is_asked_to_stop_begins_no_other_job(in_the_open: None) -> None:
    with run_worker.stop_request() as stop:
        stop.notice()
        run_worker.work([job(lambda: pytest.fail("stopped"))], timedelta(), stop)


def test_once_tells_by_its_status_that_something_was_left_undone(db: None, monkeypatch: Any) -> None:
    more = iter([True, False, False])
    monkeypatch.setattr(run_worker, "declared_jobs", lambda: [job(fail), job(lambda: next(more))])
    with pytest.raises(CommandError, match="Not all that is due could be done"):
        call_command("run_worker", "--once")


def test_a_worker_without_a_database_says_so(tmp_path: Path) -> None:
    assert start(tmp_path, "--once", PG_PORT="1").wait(PATIENCE) == 1
