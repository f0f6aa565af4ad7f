"""What somebody who watches over the product reads: one JSON line for each security event, with its request's id."""

import io
import json
import logging
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command, get_commands
from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticToken

from access.database import acting_as
from access.policy import Role
from accounts.models import Mail, TokenSession, User
from accounts.tests.conftest import give_phone
from accounts.tests.people import run_import, sent
from accounts.tests.provider import Provider
from api.requests.logs import JSONFormatter
from conftest import API, PASSWORD, Caller, Visitor, World

USERS = API + "users/"


@pytest.fixture
def events() -> Any:
    """The security events so far, as they are written."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())
    logger = logging.getLogger("eecrm.security")
    logger.addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.removeHandler(handler)


def only(events: Any, name: str) -> dict[str, Any]:
    (event,) = [event for event in events() if event["event"] == name]
    return event


def test_a_refusal_is_on_record_with_its_rule(world: World, support: Caller, events: Any) -> None:
    response = support.delete(f"{API}clients/{world.own_client.pk}/")
    event = only(events, "authz_fail")
    assert event["rule"] == response.json()["rule"] == "client.delete.support.none"
    assert event["request_id"] == response["X-Request-ID"]
    assert (event["actor"], event["address"], event["level"]) == (support.user.pk, "127.0.0.1", "warning")


def test_the_reuse_of_a_refresh_token_is_on_record(world: World, anonymous: Caller, events: Any) -> None:
    pair = anonymous.post(USERS + "login/", {"username": "sales", "password": PASSWORD}).json()
    anonymous.post(USERS + "refresh/", {"refresh": pair["refresh"]})
    assert all(event["event"] != "authn_token_reuse" for event in events())
    TokenSession.objects.update(rotated_at=timezone.now() - timedelta(seconds=31))
    response = anonymous.post(USERS + "refresh/", {"refresh": pair["refresh"]})
    event = only(events, "authn_token_reuse")
    assert event["request_id"] == response["X-Request-ID"]
    assert event["account"] == world.users["sales"].pk


def test_logging_out_and_a_new_password_are_on_record(world: World, anonymous: Caller, events: Any) -> None:
    pair = anonymous.post(USERS + "login/", {"username": "sales", "password": PASSWORD}).json()
    phone = Caller(HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    new = {"old_password": "wrong", "new_password": "a different long phrase"}
    assert phone.post(USERS + "me/password/", new).status_code == 400
    assert only(events, "authn_password_change_fail")["account"] == world.users["sales"].pk
    assert phone.post(USERS + "me/password/", new | {"old_password": PASSWORD}).status_code == 204
    assert only(events, "authn_password_change")["account"] == world.users["sales"].pk


@pytest.mark.parametrize("path", ["logout-all/", "logout/"])
def test_the_end_of_a_login_is_on_record(path: str, world: World, anonymous: Caller, events: Any) -> None:
    pair = anonymous.post(USERS + "login/", {"username": "sales", "password": PASSWORD}).json()
    body = {"refresh": pair["refresh"]} if path == "logout/" else None
    Caller(HTTP_AUTHORIZATION=f"Bearer {pair['access']}").post(USERS + path, body)
    assert only(events, "authn_token_revoked")["actor"] == world.users["sales"].pk


def test_what_a_manager_does_to_accounts_is_on_record(world: World, visit: Any, events: Any) -> None:
    browser, users, manager = visit("management"), "/hidden-admin/accounts/user/", world.users["management"].pk
    form = {"username": "newcomer", "role": "support", "email": "new@epic.example"}
    assert browser.post(users + "add/", form).status_code == 302
    account = User.objects.get(username="newcomer")
    event = only(events, "user_created")
    assert (event["account"], event["actor"], event["role"]) == (account.pk, manager, "support")
    for change, name in (
        ({"last_name": "Comer"}, "user_updated"),
        ({"role": "sales"}, "privilege_permissions_changed"),
    ):
        form |= change | {"is_active": "on"}
        assert browser.post(f"{users}{account.pk}/change/", form).status_code == 302
        event = only(events, name)
        assert (event["account"], event["fields"]) == (account.pk, list(change))
    assert browser.confirm(f"{users}{world.users['unlinked'].pk}/delete/", {"post": "yes"}).status_code == 302
    assert only(events, "user_deleted")["account"] == world.users["unlinked"].pk
    assert "new@epic.example" not in json.dumps(events())


def test_what_the_server_does_to_accounts_is_on_record(world: World, provider: Provider, events: Any) -> None:
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        User.objects.filter(username="support").update(email="another@epic.example")
    call_command("confirm_address", "support", "another@epic.example", stdout=io.StringIO())
    call_command("bind_identity", "sales", "subject-1", stdout=io.StringIO())
    found = [(event["event"], event["account"], event["fields"], event["by"]) for event in events()]
    assert found == [
        ("user_updated", world.users["support"].pk, ["email"], "confirm_address"),
        ("user_updated", world.users["sales"].pk, ["identity"], "bind_identity"),
    ]
    assert "subject-1" not in json.dumps(events()) and "another@" not in json.dumps(events())


def by_a_new_account(world: World, browser: Visitor, tmp_path: Path) -> None:
    form = {"username": "newcomer", "role": "support", "email": "new@epic.example"}
    assert browser.post("/hidden-admin/accounts/user/add/", form).status_code == 302


def by_an_action(world: World, browser: Visitor, tmp_path: Path) -> None:
    form = {"action": "send_reset", "_selected_action": [world.users["sales"].pk]}
    assert browser.confirm("/hidden-admin/accounts/user/", form).status_code == 302


def again(world: World, browser: Visitor, tmp_path: Path) -> None:
    mail = Mail.objects.create(kind="password_reset", user=world.users["sales"], given_up_at=timezone.now())
    form = {"action": "send_again", "_selected_action": [mail.pk]}
    assert browser.confirm("/hidden-admin/accounts/mail/", form).status_code == 302


def by_a_command(world: World, browser: Visitor, tmp_path: Path) -> None:
    call_command("reset_password", "sales", stdout=io.StringIO())


def by_an_import(world: World, browser: Visitor, tmp_path: Path) -> None:
    run_import(tmp_path / "list.csv", "username,email,role\nnewcomer,new@epic.example,sales\n")


def by_the_worker(world: World, browser: Visitor, tmp_path: Path) -> None:
    browser.post("/account/forgotten/", {"account": "sales"})
    sent()


@pytest.mark.parametrize(
    ("queue", "kind", "has_actor"),
    [
        (by_a_new_account, "invitation", True), (by_an_action, "password_reset", True), (again, "password_reset", True),
        (by_a_command, "password_reset", False), (by_an_import, None, False), (by_the_worker, "password_reset", False),
    ],
)  # fmt: skip
def test_a_link_that_is_queued_is_on_record(
    queue: Any, kind: str | None, has_actor: bool, world: World, visit: Any, events: Any, tmp_path: Path
) -> None:
    queue(world, visit("management"), tmp_path)
    event = only(events, "authn_link_queued")
    mail = Mail.objects.get(kind__in=["invitation", "password_reset"])
    if kind:
        assert (event["account"], event["kind"], event["level"]) == (mail.user_id, kind, "info")
    else:
        assert event["count"] == 1, "an import names no accounts"
    assert event.get("actor") == (world.users["management"].pk if has_actor else None)
    assert "@" not in json.dumps(event) and "/account/" not in json.dumps(event)


TYPED_IN = "seven quiet lanterns"
# A command that changes accounts -> its arguments, and each event with its account (or the number of accounts).
ON_RECORD: dict[str, tuple[list[str], list[tuple[str, str | int]]]] = {
    "changepassword": (["sales"], [("authn_password_change", "sales")]),
    "createsuperuser": (["--no-input", "--username=first", "--email=first@epic.example"], [("user_created", "first")]),
    "create_first_manager": (["--username=boss", "--email=boss@epic.example"], [("user_created", "boss"), ("authn_link_printed", "boss")]),
    "reset_password": (["sales", "--now", "--print-link"], [("authn_password_change", "sales"), ("authn_link_printed", "sales")]),
    "reset_second_factor": (["auditor"], [("authn_token_revoked", "auditor"), ("authn_link_queued", "auditor")]),
    "encrypt_second_factors": ([], [("user_updated", 1)]),
    "confirm_address": (["support", "another@epic.example"], [("user_updated", "support")]),
    "bind_identity": (["sales", "subject-1"], [("user_updated", "sales")]),
    "import_users": (["{file}"], [("user_created", 1), ("authn_link_queued", 1)]),
    "export_users": (["-"], [("sensitive_read", 9)]),
    "print_token": (["sales"], [("authn_token_created", "sales")]),
    "hand_over": (["sales", "other_sales", "--reason=She leaves.", "--deactivate"], [("privilege_permissions_changed", "sales")]),
    "load_demo": ([], [("user_created", 9)]),
}  # fmt: skip
REFUSED = {"addstatictoken"}
OF_NO_ACCOUNT = {
    "check_production", "import_clients", "migrate", "note_bounce", "purge_idempotency_keys", "restore", "run_worker", "send_test_mail",
    "sync_database", "verify_audit",
}  # fmt: skip


def test_each_command_is_known_to_change_accounts_or_not() -> None:
    others = ("django.", "rest_framework", "drf_")  # none of their commands changes an account
    ours = {config.name for config in apps.get_app_configs() if not config.name.startswith(others)}
    assert {name for name, app in get_commands().items() if app in ours} == {*ON_RECORD, *REFUSED, *OF_NO_ACCOUNT}


@pytest.mark.parametrize("command", sorted(ON_RECORD.keys() - {"create_first_manager"}))
def test_what_a_command_does_to_accounts_is_on_record(
    command: str, world: World, provider: Provider, events: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.setattr("getpass.getpass", lambda **_: TYPED_IN)
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", TYPED_IN)
    give_phone(world.users["auditor"])
    (tmp_path / "accounts.csv").write_text("username,email,role\nnewcomer,new@epic.example,sales\n")
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        User.objects.filter(username="support").update(email="another@epic.example")
    assert_on_record(command, events, file=tmp_path / "accounts.csv")


def test_the_first_manager_is_on_record(without_world: None, events: Any) -> None:
    assert_on_record("create_first_manager", events)


def assert_on_record(command: str, events: Any, **names_of_files: Path) -> None:
    arguments, expected = ON_RECORD[command]
    out, before = io.StringIO(), len(events())
    call_command(command, *(one.format(**names_of_files) for one in arguments), stdout=out, verbosity=0)
    found = events()[before:]
    names = dict(User.objects.values_list("pk", "username"))
    assert [(one["event"], names[one["account"]] if "account" in one else one["count"]) for one in found] == expected
    assert {one["channel"] for one in found} == {"command"}
    secrets = [TYPED_IN, "subject-1", "another@epic.example", *re.findall(r"https?://\S+|eyJ\S+", out.getvalue())]
    assert not any(secret in json.dumps(found) for secret in secrets)


def test_an_event_names_its_channel(world: World, visit: Any, anonymous: Caller, events: Any) -> None:
    anonymous.post(USERS + "login/", {"username": "sales", "password": "wrong"})
    visit("management").confirm(f"/hidden-admin/accounts/user/{world.users['unlinked'].pk}/delete/", {"post": "yes"})
    assert only(events, "authn_login_fail")["channel"] == "api"
    assert only(events, "user_deleted")["channel"] == "admin"


def test_a_code_that_another_program_makes_is_refused(world: World) -> None:
    with pytest.raises(CommandError, match="reset_second_factor"):
        call_command("addstatictoken", "sales")
    assert not StaticToken.objects.exists()


def test_no_value_forges_a_line(world: World, events: Any) -> None:
    Caller(HTTP_X_REQUEST_ID='x"}\n{"event": "authn_login_success"').post(
        USERS + "login/", {"username": 'x\n{"event": "authn_login_success"}', "password": "y\r\n"}
    )
    assert [event["event"] for event in events()] == ["authn_login_fail"]
