"""Commands of the operator: a test mail that says where it failed, and bounces that come back by a pipe."""

import io
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Mail
from accounts.tests.mail_servers import MailServer, mail_server, send_through
from accounts.tests.people import newcomer
from accounts.tests.test_outbox import empty_the_queue, owe
from conftest import World

USERS, MAILS = "/hidden-admin/accounts/user/", "/hidden-admin/accounts/mail/"


@pytest.fixture
def server(settings: Any) -> Iterator[MailServer]:
    with mail_server() as server:
        send_through(server, settings)
        settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "crm", "pass-of-the-mail-server"
        settings.DEFAULT_FROM_EMAIL, settings.PUBLIC_URL = "CRM <crm@epic.example>", "https://crm.epic.example"
        yield server


def run(command: str, *arguments: str) -> str:
    output = io.StringIO()
    call_command(command, *arguments, stdout=output)
    return output.getvalue()


def test_a_test_mail_says_each_step(server: MailServer) -> None:
    said = run("send_test_mail", "ann@epic.example")
    name = f"127.0.0.1:{server.server_address[1]}"
    assert said.splitlines() == [
        f"Connected to {name}.", "The mail server greeted.", "The mail server knows us as crm.epic.example.",
        "Logged in as crm.", "The sender CRM <crm@epic.example> is accepted.", "The recipient is accepted.",
        "The mail is sent.", f"{name} took the mail to ann@epic.example.",
    ]  # fmt: skip
    assert [mail["To"] for mail in server.received] == ["ann@epic.example"]


@pytest.mark.parametrize(
    ("step", "answer", "sentence", "lines"),
    [
        ("CONNECT", "554 5.7.1 go\u202e away", "didn't greet: check EMAIL_PORT and EMAIL_SECURITY, which is none now. It answered: 554 5.7.1 go? away", 1),
        ("CONNECT", None, "didn't greet: check EMAIL_PORT and EMAIL_SECURITY, which is none now. SMTPServerDisconnected:", 1),
        ("EHLO", "550 who?", "refused EHLO crm.epic.example: check the host of PUBLIC_URL. It answered: 5", 2),
        ("EHLO", "250 test", "refused the login of crm: check EMAIL_HOST_USER and EMAIL_HOST_PASSWORD. SMTPNotSupportedError:", 3),
        ("AUTH", "535 5.7.8 no", "refused the login of crm: check EMAIL_HOST_USER and EMAIL_HOST_PASSWORD. It answered: 535 5.7.8 no", 3),
        ("MAIL", "553 not yours", "refused the sender CRM <crm@epic.example>: check DEFAULT_FROM_EMAIL. It answered: 553 not yours", 4),
        ("RCPT", "550 5.1.1 unknown", "refused the recipient ann@epic.example. It answered: 550 5.1.1 unknown", 5),
        ("DATA", "451 later", "refused to read the mail. It answered: 451 later", 6),
        ("ACCEPT", "554 5.7.1 spam", "was sent the mail, and didn't accept it. It answered: 554 5.7.1 spam", 7),
    ],
)  # fmt: skip
def test_a_test_mail_that_fails_says_where_and_why(
    step: str, answer: str | None, sentence: str, lines: int, server: MailServer, capsys: Any
) -> None:
    server.answer = lambda asked, text: answer if asked == step or (step == "EHLO" and asked == "HELO") else ""
    with pytest.raises(CommandError) as caught:
        call_command("send_test_mail", "ann@epic.example")
    assert f"127.0.0.1:{server.server_address[1]} {sentence}" in str(caught.value)
    said = capsys.readouterr().out
    assert len(said.splitlines()) == lines
    assert "pass-of-the-mail-server" not in said + str(caught.value)


@pytest.mark.parametrize(
    ("changes", "address", "sentence"),
    [
        ({"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": 1}, "ann@epic.example", "127.0.0.1:1 can't be reached: check EMAIL_HOST, EMAIL_PORT and the firewall. ConnectionRefusedError:"),
        ({"EMAIL_HOST": ""}, "ann@epic.example", "EMAIL_HOST isn't set: each mail becomes a file in"),
        ({}, "ann", "ann isn't an email address."),
    ],
)  # fmt: skip
def test_a_test_mail_that_goes_nowhere_says_so(
    changes: dict[str, Any], address: str, sentence: str, server: MailServer, settings: Any
) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)
    with pytest.raises(CommandError, match=sentence):
        call_command("send_test_mail", address)


def test_a_server_that_speaks_no_tls_is_told(server: MailServer, settings: Any) -> None:
    settings.EMAIL_USE_TLS = True
    with pytest.raises(CommandError, match="didn't begin TLS: check EMAIL_SECURITY, and the name and certificate"):
        call_command("send_test_mail", "ann@epic.example")
    settings.EMAIL_USE_TLS, settings.EMAIL_USE_SSL = False, True
    server.answer = lambda step, text: "220 no TLS here"
    with pytest.raises(CommandError, match="didn't begin TLS: check EMAIL_SECURITY, .* SSLError:"):
        call_command("send_test_mail", "ann@epic.example")


# Bounces

NOTIFICATION = """\
From: MAILER-DAEMON@mail.epic.example
To: crm@epic.example
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="x"

--x
Content-Type: text/plain

I'm sorry to have to inform you that your message could not be delivered.

--x
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.epic.example
Arrival-Date: Tue, 1 Dec 2026 10:00:00 +0000

Final-Recipient: rfc822; sales@epic.example
Action: {action}
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user

--x
Content-Type: {kind}

From: CRM <crm@epic.example>
To: sales@epic.example
Message-ID: {key}
Subject: Choose a new password

--x--
"""


def bounce(content: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode()), "utf-8"))
    return run("note_bounce", *arguments)


def sent_mail(world: World) -> tuple[Mail, str]:
    row = owe(world, "sales")
    empty_the_queue()
    row.refresh_from_db()
    return row, f"<mail-{row.pk}-{row.created_at:%Y%m%d%H%M%S}@epic.example>"


@pytest.mark.parametrize("kind", ["text/rfc822-headers", "message/rfc822"])
def test_a_mail_that_comes_back_shows_as_bounced(kind: str, world: World, monkeypatch: Any, visit: Any) -> None:
    row, key = sent_mail(world)
    content = NOTIFICATION.format(action="failed", kind=kind, key=key)
    assert bounce(content, monkeypatch) == f"Mail {row.pk} bounced.\n"
    row.refresh_from_db()
    assert (row.state, row.error) == ("Bounced", "Bounced 5.1.1")
    assert "Nothing to note" in bounce(content, monkeypatch), "a second report"
    manager = visit("management")
    assert "Bounced 5.1.1" in manager.get(MAILS + "?state=bounced").content.decode()
    assert "Bounced 5.1.1" not in manager.get(MAILS + "?state=refused").content.decode()
    page = f"{USERS}{world.users['sales'].pk}/change/"
    assert "A mail to it came back on" in manager.get(page).content.decode()
    sent_mail(world)
    assert "came back" not in manager.get(page).content.decode()


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "delayed"}, {"action": "delivered"}, {"kind": "text/plain"}, {"key": "<mail-1-20200101000000@epic.example>"},
        {"key": "<mail-999999999999999999-20269999000000@epic.example>"}, {"key": ""},
    ],
)  # fmt: skip
def test_any_other_mail_changes_nothing(changes: dict[str, str], world: World, monkeypatch: Any) -> None:
    _, key = sent_mail(world)
    fields = {"action": "failed", "kind": "message/rfc822", "key": key} | changes
    assert bounce(NOTIFICATION.format(**fields), monkeypatch).startswith("Nothing to note")
    assert bounce(f"Subject: out of office\n\n{key}", monkeypatch).startswith("Nothing to note")
    assert not Mail.objects.bounced().exists()


def test_an_operator_marks_the_latest_mail_to_an_address(world: World) -> None:
    row, _ = sent_mail(world)
    assert "Marked the latest mail" in run("note_bounce", "--address", "Sales@Epic.example")
    row.refresh_from_db()
    assert row.state == "Bounced"
    for address in ("sales@epic.example", "nobody@epic.example"):
        with pytest.raises(CommandError, match="No mail was sent to this address"):
            run("note_bounce", "--address", address)


def test_without_a_database_the_mail_server_tries_again(world: World, monkeypatch: Any) -> None:
    def fail(*_: Any) -> Any:
        raise OperationalError("server closed the connection")

    with connection.execute_wrapper(fail), pytest.raises(CommandError) as caught:
        bounce(
            NOTIFICATION.format(action="failed", kind="message/rfc822", key="<mail-1-20260101000000@x>"), monkeypatch
        )
    assert caught.value.returncode == 75


# Invitations in the list of accounts


def test_the_list_of_accounts_shows_pending_invitations_with_their_age(world: World, visit: Any) -> None:
    now, hours = timezone.now(), timedelta(hours=1)
    states = {
        "waiting": {"created_at": now - 2 * hours}, "put_off": {"created_at": now - 50 * hours, "deferrals": 3},
        "sent": {"created_at": now - 25 * hours, "sent_at": now - 25 * hours},
        "refused": {"created_at": now - hours, "given_up_at": now, "is_refused": True},
        "bounced": {"created_at": now - 24 * 9 * hours, "sent_at": now - 24 * 9 * hours, "bounced_at": now},
        "expired": {"created_at": now - 24 * 9 * hours, "sent_at": now - 24 * 8 * hours}, "none": None,
    }  # fmt: skip
    for name, fields in states.items():
        person = newcomer(name)
        if fields is not None:
            Mail.objects.create(kind="invitation", user=person, created_at=now - 99 * hours, sent_at=now)
            Mail.objects.create(kind="invitation", user=person, **fields)
    page = visit("management").get(USERS + "?invitation=pending").content.decode()
    for state in (
        "waiting, 2\xa0hours ago", "put off by the mail server, 2\xa0days ago", "sent, 1\xa0day ago",
        "refused for good, 1\xa0hour ago", "bounced, 1\xa0week ago", "expired, 1\xa0week ago",
    ):  # fmt: skip
        assert page.count(f">Invitation {state}<") == 1, state
    assert page.count(">Not invited<") == 1
    assert "sales@epic.example" not in page
    assert "sales" in visit("auditor").get(USERS).content.decode()


def test_the_list_of_accounts_reads_all_invitations_at_once(world: World, visit: Any) -> None:
    manager, counts = visit("management"), []
    manager.get(USERS)  # with the first page a worker loads what all others share
    for number in range(2):
        for person in range(3):
            Mail.objects.create(kind="invitation", user=newcomer(f"new{number}{person}"))
        with CaptureQueriesContext(connection) as queries:
            manager.get(USERS)
        counts.append(len(queries))
    assert counts[0] == counts[1]
