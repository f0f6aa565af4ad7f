"""Commands on the server: a link for somebody, and the first manager."""

import io
import re
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from access.database import acting_as
from access.policy import Role
from accounts.login import tokens
from accounts.models import ExternalIdentity, Mail, TokenSession, User
from accounts.tests.people import newcomer
from config.environment import ROOT
from conftest import API, PASSWORD, Caller, Visitor, World, committing

GOOD = "seven quiet lanterns"


def call(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def can_log_in(name: str, password: str = PASSWORD) -> bool:
    return Caller().post(API + "users/login/", {"username": name, "password": password}).status_code == 200


def use(link: str) -> None:
    browser = Visitor()
    page = browser.get(link.removeprefix("http://127.0.0.1:8000")).url
    assert browser.post(page, {"new_password1": GOOD, "new_password2": GOOD}).status_code == 302


def link_in(text: str) -> str:
    return re.findall(r"http://127\.0\.0\.1:8000/\S+", text)[0]


def test_a_link_is_queued_and_the_password_goes_on(world: World) -> None:
    assert call("reset_password", "Sales") == "A mail to sales is queued; the worker sends it.\n"
    assert list(Mail.objects.values_list("kind", "user__username")) == [("password_reset", "sales")]
    assert can_log_in("sales")


@pytest.mark.parametrize("name", ["sales", "management", "superuser"])
def test_a_link_is_printed_where_it_is_asked_for(name: str, world: World) -> None:
    use(link_in(call("reset_password", name, "--print-link")))
    assert can_log_in(name, GOOD)
    assert not Mail.objects.exists()


def test_now_ends_the_password_and_every_login(world: World) -> None:
    tokens.log_in(world.users["sales"])
    said = call("reset_password", "sales", "--now", "--print-link")
    assert "every login has ended" in said
    assert not can_log_in("sales")
    assert not TokenSession.objects.open().exists()
    use(link_in(said))
    assert can_log_in("sales", GOOD)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"username": "other"}, "There is no account sales."), ({"is_active": False}, "The account is inactive."), ({"email": ""}, "no confirmed email address")],
)  # fmt: skip
def test_who_gets_no_link_is_told_and_nothing_is_changed(change: dict[str, Any], words: str, world: World) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="sales").update(**change)
    before = User.objects.defer(None).get(pk=world.users["sales"].pk).password
    with pytest.raises(CommandError, match=words):
        call("reset_password", "sales", "--now")
    assert User.objects.defer(None).get(pk=world.users["sales"].pk).password == before
    assert not Mail.objects.filter(kind="password_reset").exists()


def test_an_address_that_nobody_has_confirmed_gets_no_link(world: World) -> None:
    newcomer()
    with pytest.raises(CommandError, match="no confirmed email address: --print-link needs none"):
        call("reset_password", "newcomer")
    assert not Mail.objects.exists()
    use(link_in(call("reset_password", "newcomer", "--print-link")))
    assert can_log_in("newcomer", GOOD)


# The first manager

FIRST = ("create_first_manager", "--username=Boss", "--email=boss@epic.example", "--first-name=Bo", "--last-name=Ss")


def test_the_first_manager_chooses_a_password_by_link(without_world: None) -> None:
    said = call(*FIRST)
    boss = User.objects.get(username="boss")
    assert (boss.role, boss.is_staff, boss.is_superuser, boss.display_name) == ("management", True, False, "Bo Ss")
    use(link_in(said))
    assert can_log_in("boss", GOOD)


@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_the_first_manager_gets_the_password_that_comes_in(without_world: None, ending: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"  {GOOD} {ending}"))
    assert call(*FIRST, "--password-stdin") == "boss is a manager.\n"
    assert can_log_in("boss", f"  {GOOD} ")


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("", "--password-stdin: nothing came in"), ("four lamps go", "--password-stdin: Use at least 15 characters"),
        ("Epic-Events-2026!", "--password-stdin: Without your names"), ("é" * 513, "--password-stdin: A password has at most 1,024 bytes."),
    ],
)  # fmt: skip
def test_a_weak_password_is_refused_by_name(password: str, words: str, without_world: None, monkeypatch: Any) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))
    with pytest.raises(CommandError, match=re.escape(words)) as refusal:
        call(*FIRST, "--password-stdin")
    assert not password or password not in str(refusal.value)
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--email=a@b.example",), "--username"), (("--username=boss",), "--email"), (("--username=boss", "--email="), "--email: "),
        (("--username=", "--email=a@b.example"), "--username: "), (("--username=b s", "--email=x"), "--email: "), (("--username=b s", "--email=x"), "--username: "),
    ],
)  # fmt: skip
def test_a_missing_or_wrong_value_is_refused_by_name(
    arguments: tuple[str, ...], words: str, without_world: None
) -> None:
    with pytest.raises(CommandError, match=words):
        call("create_first_manager", *arguments)
    assert not User.objects.exists()


def test_there_is_one_first_manager(world: World) -> None:
    with pytest.raises(CommandError, match="There is an active manager already"):
        call(*FIRST)
    assert not User.objects.filter(username="boss").exists()


def test_a_username_that_is_taken_is_told(without_world: None) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.create_user("boss", role=Role.SALES)
    with pytest.raises(CommandError, match="--username: An account with this username exists already."):
        call(*FIRST)


@pytest.mark.parametrize("command", ["reset_password", "create_first_manager"])
def test_no_password_is_taken_on_the_command_line(command: str) -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "eecrm/manage.py", command, "--help"], capture_output=True, text=True, check=True
    )
    assert "--password " not in result.stdout and "--password=" not in result.stdout


# Django's own commands


@pytest.mark.parametrize("password", ["four lamps go", "é" * 600])
def test_a_superuser_is_made_with_a_good_password_alone(password: str, without_world: None, monkeypatch: Any) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", password)
    with pytest.raises(CommandError, match="Use at least 15 characters|1,024 bytes"):
        call("createsuperuser", "--no-input", "--username=first", "--email=first@epic.example")
    assert not User.objects.exists()


def test_a_manager_is_given_a_longer_password_on_the_command_line_too(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr("getpass.getpass", lambda **_: "four lamps go")
    with pytest.raises(CommandError, match="Aborting"):
        call_command("changepassword", "management", stdout=StringIO(), stderr=StringIO())
    assert can_log_in("management")


def at_the_prompts(answers: dict[str, str], monkeypatch: Any, *, meanwhile: Callable[[], Any] = lambda: None) -> None:
    """Answers each prompt. Meanwhile no transaction may be open, which PostgreSQL would end after 30 s."""

    def ask(prompt: str = "Password: ") -> str:
        assert connection.connection is None or connection.connection.info.transaction_status == TRANSACTION_STATUS_IDLE
        meanwhile()
        return next(answer for beginning, answer in answers.items() if prompt.startswith(beginning))

    monkeypatch.setattr("builtins.input", ask)
    monkeypatch.setattr("getpass.getpass", ask)


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_superuser_may_be_typed_in_slowly(django_db_blocker: Any, monkeypatch: Any) -> None:
    at_the_prompts({"Username": "Boss", "Email": "boss@epic.example", "Password": GOOD}, monkeypatch)
    with committing(django_db_blocker):
        call_command("createsuperuser", stdin=Terminal(), stdout=StringIO())
        boss = User.objects.get(username="boss")
        assert (boss.is_superuser, boss.email) == (True, "boss@epic.example")
        assert can_log_in("boss", GOOD)


def test_a_password_may_be_typed_in_slowly_while_the_account_changes(django_db_blocker: Any, monkeypatch: Any) -> None:
    def rename() -> None:
        with acting_as(Role.SUPERUSER):
            User.objects.filter(username="claire").update(first_name="Else")

    at_the_prompts({"Password": GOOD}, monkeypatch, meanwhile=rename)
    with committing(django_db_blocker):
        with acting_as(Role.SUPERUSER):
            User.objects.create_user("claire", PASSWORD, first_name="Claire")
        call_command("changepassword", "Claire", stdout=StringIO())
        assert User.objects.get(username="claire").first_name == "Else"
        assert can_log_in("claire", GOOD)


def test_who_logs_in_elsewhere_is_given_no_password(world: World, monkeypatch: Any) -> None:
    with acting_as(Role.SUPERUSER):
        ExternalIdentity.objects.create(user=world.users["support"], issuer="https://idp.example", subject="7")
    monkeypatch.setattr("getpass.getpass", lambda **_: GOOD)
    with pytest.raises(CommandError, match="it has no password here."):
        call("changepassword", "support")


def test_a_superuser_gets_no_name_that_another_account_had(world: World) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="sales").update(username="other")
    with pytest.raises(CommandError, match="Another account had this username before."):
        call("createsuperuser", "--no-input", "--username=sales", "--email=first@epic.example")
