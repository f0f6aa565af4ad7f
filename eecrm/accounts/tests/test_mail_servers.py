"""Mail servers that are slow, strict, refusing or dying: each mail arrives once, or shows why it doesn't."""

import os
import socketserver
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Mail
from accounts.outbox import delivery
from accounts.outbox.smtp import ehlo_name
from accounts.tests.mail_servers import MailServer, mail_server, send_through
from accounts.tests.test_outbox import empty_the_queue, owe
from api.jobs import stop_signal
from conftest import PATIENCE, World

RIGHT_AWAY = timedelta(seconds=1)


@pytest.fixture
def server(settings: Any) -> Iterator[MailServer]:
    with mail_server() as server:
        send_through(server, settings)
        yield server


@pytest.fixture
def row(world: World) -> Mail:
    return owe(world, "sales")


def send(row: Mail) -> Mail:
    """Makes one try, whenever the mail would be due."""
    Mail.objects.filter(pk=row.pk).update(due_at=timezone.now() - RIGHT_AWAY)
    assert empty_the_queue() == 1
    row.refresh_from_db()
    return row


def outcome(row: Mail) -> tuple[str, str, int]:
    return row.state, row.error, row.deferrals


PUT_OFF = "Put off by the mail server"


# Slow servers


def test_a_server_that_scans_a_mail_for_long_gets_it_once(row: Mail, server: MailServer, settings: Any) -> None:
    settings.EMAIL_TIMEOUT = settings.MAX_SESSION_SECONDS = 0.3

    def scan(step: str, text: str) -> str:
        if step == "ACCEPT":
            threading.Event().wait(0.5)  # longer than any wait before the final dot
        return ""

    server.answer = scan
    assert outcome(send(row)) == ("Sent", "", 0)
    assert empty_the_queue() == 0
    assert len(server.received) == row.attempts == 1


@pytest.mark.parametrize("slow", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
def test_a_server_that_is_slow_once_gets_the_mail_once(slow: str, row: Mail, server: MailServer, settings: Any) -> None:
    settings.EMAIL_TIMEOUT, has_ended = 0.1, threading.Event()

    def hesitate(step: str, text: str) -> str | None:
        return None if step == slow and has_ended.wait(PATIENCE) else ""

    server.answer = hesitate
    state, error, deferrals = outcome(send(row))
    assert (state, deferrals) == (PUT_OFF, 1)
    assert error in ("TimeoutError", "SMTPServerDisconnected")
    has_ended.set()
    server.answer = lambda step, text: ""
    assert outcome(send(row)) == ("Sent", "", 1)
    assert len(server.received) == 1


class Dripping(socketserver.StreamRequestHandler):
    """Answers as far as the n-th line, and then sends its next answer byte by byte, until the client has had enough."""

    def handle(self) -> None:
        answers = [b"220 test", b"250 ok", b"250 ok", b"250 ok", b"354 go on", b"250 taken"]
        for answer in answers[: self.server.lines]:  # type: ignore[attr-defined]
            self.wfile.write(answer + b"\r\n")
            while answer == b"354 go on" and self.rfile.readline() not in (b".\r\n", b""):
                pass
            if answer != b"354 go on":
                self.rfile.readline()
        with suppress(OSError):
            while not self.server.has_ended.wait(0.02):  # type: ignore[attr-defined]
                self.wfile.write(b"2")
        self.server.has_ended.set()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("lines", "is_sent"), [(0, False), (1, False), (3, False), (5, False), (6, True)])
def test_a_server_that_drips_bytes_holds_nobody(
    lines: int, is_sent: bool, row: Mail, settings: Any, caplog: Any
) -> None:
    settings.MAX_SESSION_SECONDS = PATIENCE if lines > 4 else 0.2
    settings.EMAIL_FINAL_TIMEOUT = PATIENCE if is_sent else 0.2
    settings.MAX_GOODBYE_SECONDS = 0.2
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Dripping) as server:
        server.daemon_threads = True
        server.lines, server.has_ended = lines, threading.Event()  # type: ignore[attr-defined]
        send_through(server, settings)
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        send(row)
        assert server.has_ended.wait(PATIENCE), "the connection stayed open"  # type: ignore[attr-defined]
        thread.join()
    assert outcome(row) == (("Sent", "", 0) if is_sent else (PUT_OFF, "DeliveryTooSlow", 1))
    (record,) = [record for record in caplog.records if record.name == "eecrm.mail"]
    assert record.message == ("mail_sent" if is_sent else "mail_failed")


# A worker that is asked to stop while a server is slow


@pytest.fixture
def asked_to_stop() -> Iterator[Any]:
    """Returns a function that asks to stop, as a signal does."""
    reader, writer = os.pipe()
    token = stop_signal.set(reader)
    yield lambda: os.write(writer, b".")
    stop_signal.reset(token)
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("slow", ["CONNECT", "RCPT", "ACCEPT"])
def test_a_stop_waits_only_for_a_mail_that_the_server_may_have_taken(
    slow: str, row: Mail, server: MailServer, settings: Any, asked_to_stop: Any
) -> None:
    settings.MAX_STOP_SECONDS, has_ended = (PATIENCE if slow == "ACCEPT" else 0), threading.Event()

    def hesitate(step: str, text: str) -> str:
        if step == slow:
            asked_to_stop()
            has_ended.wait(0.2 if slow == "ACCEPT" else PATIENCE)
        return ""

    server.answer = hesitate
    is_sent = slow == "ACCEPT"
    assert outcome(send(row)) == (("Sent", "", 0) if is_sent else (PUT_OFF, "DeliveryStopped", 1))
    has_ended.set()
    assert len(server.received) == is_sent


def test_a_stop_does_not_wait_for_ever(row: Mail, server: MailServer, settings: Any, asked_to_stop: Any) -> None:
    settings.MAX_STOP_SECONDS, has_ended = 0.1, threading.Event()

    def scan_for_ever(step: str, text: str) -> str | None:
        if step == "ACCEPT":
            asked_to_stop()
            return None if has_ended.wait(PATIENCE) else ""
        return ""

    server.answer = scan_for_ever
    assert outcome(send(row)) == (PUT_OFF, "DeliveryStopped", 1)
    has_ended.set()


# Servers that refuse


@pytest.mark.parametrize(
    ("step", "answer", "error"),
    [
        ("RCPT", "550 5.1.1 <sales@epic.example>: no such user here", "SMTPRecipientsRefused 550 5.1.1"),
        ("RCPT", "553 no", "SMTPRecipientsRefused 553"),
        ("DATA", "554 5.7.1 not from you", "SMTPDataError 554 5.7.1"),
        ("ACCEPT", "554-5.6.0 looks like\r\n554 5.6.0 spam", "SMTPDataError 554 5.6.0"),
    ],
)
def test_a_mail_that_is_refused_for_good_ends_at_once(
    step: str, answer: str, error: str, row: Mail, server: MailServer, caplog: Any
) -> None:
    server.answer = lambda asked, text: answer if asked == step else ""
    assert outcome(send(row)) == ("Refused for good", error, 0)
    assert row.given_up_at and row.attempts == 1
    assert empty_the_queue() == 0
    assert [mail.pk for mail in Mail.objects.refused()] == [row.pk]
    (record,) = [record for record in caplog.records if record.name == "eecrm.mail"]
    assert (record.message, record.error) == ("mail_refused", error)


@pytest.mark.parametrize(
    ("step", "answer", "error"),
    [
        ("CONNECT", "421 4.3.2 too busy", "SMTPConnectError 421 4.3.2"),
        ("CONNECT", "554 5.7.1 not from here", "SMTPConnectError 554 5.7.1"),
        ("MAIL", "553 5.7.1 not your sender", "SMTPSenderRefused 553 5.7.1"),
        ("MAIL", "530 5.7.0 log in first", "SMTPSenderRefused 530 5.7.0"),
        ("RCPT", "530 5.7.0 log in first", "SMTPRecipientsRefused 530 5.7.0"),
        ("RCPT", "451 4.7.1 greylisted, come back later", "SMTPRecipientsRefused 451 4.7.1"),
        ("RCPT", "421 4.3.2 shutting down", "SMTPRecipientsRefused 421 4.3.2"),
        ("DATA", "452 4.3.1 disk full", "SMTPDataError 452 4.3.1"),
        ("ACCEPT", "451 4.7.1 greylisted", "SMTPDataError 451 4.7.1"),
        ("CONNECT", None, "SMTPServerDisconnected"),
        ("RCPT", None, "SMTPServerDisconnected"),
        ("DATA", None, "SMTPServerDisconnected"),
        ("ACCEPT", None, "SMTPServerDisconnected"),
    ],
)
def test_what_is_the_fault_of_the_server_costs_no_try_and_the_mail_arrives_once(
    step: str, answer: str | None, error: str, row: Mail, server: MailServer
) -> None:
    server.answer = lambda asked, text: answer if asked == step else ""
    for number in range(1, delivery.MAX_MAIL_TRIES + 3):
        assert outcome(send(row)) == (PUT_OFF, error, number)
    server.answer = lambda asked, text: ""
    assert outcome(send(row)) == ("Sent", "", number)
    assert empty_the_queue() == 0
    assert server.message_ids == [f"<mail-{row.pk}-{row.created_at:%Y%m%d%H%M%S}@localhost>"]


def test_a_wrong_password_costs_no_try(row: Mail, server: MailServer, settings: Any) -> None:
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "crm", "wrong"
    server.answer = lambda step, text: "535 5.7.8 wrong" if step == "AUTH" else ""
    assert outcome(send(row)) == (PUT_OFF, "SMTPAuthenticationError 535 5.7.8", 1)
    server.answer = lambda step, text: ""
    assert outcome(send(row)) == ("Sent", "", 1)


def test_a_server_that_is_not_there_is_tried_for_days_with_growing_pauses(
    row: Mail, settings: Any, caplog: Any
) -> None:
    settings.EMAIL_BACKEND = "accounts.outbox.smtp.LimitedBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    pauses = []
    for number in range(1, delivery.MAX_DEFERRALS):
        assert outcome(send(row)) == (PUT_OFF, "ConnectionRefusedError", number)
        with connection.cursor() as cursor:
            cursor.execute("SELECT statement_timestamp()")
            pauses.append((row.due_at - cursor.fetchone()[0]).total_seconds() / 60)
    for number, pause in enumerate(pauses):
        assert 0.45 * min(2**number, 60) <= pause <= 1.5 * min(2**number, 60)
    assert timedelta(days=4) < timedelta(minutes=sum(pauses)) < timedelta(days=6)
    assert outcome(send(row))[0] == "Given up"
    assert not row.is_refused
    record = next(record for record in caplog.records if record.name == "eecrm.mail")
    assert (record.message, record.mail, record.error) == ("mail_failed", row.pk, "ConnectionRefusedError")


# Strict servers


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://crm.epic.example", "crm.epic.example"), ("https://CRM.epic.example.:8443", "crm.epic.example"),
        ("http://127.0.0.1:8000", "[127.0.0.1]"), ("https://[2001:db8::1]", "[IPv6:2001:db8::1]"),
    ],
)  # fmt: skip
def test_a_strict_server_is_greeted_by_the_host_of_our_links(
    address: str, name: str, row: Mail, server: MailServer, settings: Any
) -> None:
    settings.PUBLIC_URL = address
    server.answer = lambda step, text: "550 5.7.1 who are you" if step in ("EHLO", "HELO") and name not in text else ""
    assert ehlo_name() == name
    assert outcome(send(row)) == ("Sent", "", 0)
    assert "HELO" not in server.steps
