"""The lost phone: a manager, or the command line, takes a second factor away; nobody reads one."""

import re
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django_otp.plugins.otp_static.models import StaticToken

from access.database import acting_as
from access.policy import MATRIX_ROLES, Role
from access.tests.test_database_roles import REFUSED, run
from accounts.models import AuthenticatorApp, Mail, User
from accounts.outbox.delivery import deliver
from accounts.passwords import links
from accounts.tests.test_links import GOOD, choose
from accounts.tests.test_second_factor import ADMIN, ENTER, after_the_password
from conftest import API, PASSWORD, Caller, Visitor, World

USERS = f"{ADMIN}accounts/user/"


def reset(browser: Visitor, *users: User) -> str:
    form = {"action": "reset_second_factor", "_selected_action": [user.pk for user in users]}
    page = browser.confirm(USERS, form, follow=True)
    return str(page.content.decode())


def has_one(user: User) -> bool:
    return AuthenticatorApp.objects.filter(user=user).exists() or StaticToken.objects.filter(device__user=user).exists()


@pytest.mark.parametrize("mode", ["required", "optional"])
def test_a_manager_resets_a_colleagues_and_ends_what_it_had_opened(
    mode: str, world: World, phone: Any, visit: Any, settings: Any, events: Any
) -> None:
    manager, colleague = visit("management"), world.users["auditor"]
    lost, opened = phone("auditor"), after_the_password("auditor")
    opened.post(ENTER, {"code": lost.code()})
    waiting = after_the_password("auditor")
    assert opened.get(ADMIN).status_code == 200
    events()
    told_page = reset(manager, colleague)
    assert "The second factor of auditor is reset. auditor gets a link to a new password by mail." in told_page
    told = [line for line in events("account", "reason", "kind", "actor") if line.startswith("authn")]
    actor = f"actor={world.users['management'].pk}"
    assert told == [
        f"authn_token_revoked account={colleague.pk} reason=reset {actor}",
        f"authn_link_queued account={colleague.pk} kind=factor_reset {actor}",
    ]
    assert not has_one(colleague)
    with acting_as(Role.SUPERUSER):
        entry = LogEntry.objects.values("object_repr", "change_message", "user__username").get()
    assert entry == {
        "object_repr": "auditor",
        "change_message": "Reset the second factor.",
        "user__username": "management",
    }
    settings.SECOND_FACTOR = mode
    for browser in (opened, waiting):
        assert browser.get(ADMIN).url.startswith(f"{ADMIN}login/")


def log_in_over_the_api(password: str, **more: str) -> Any:
    return Caller().post(API + "users/login/", {"username": "auditor", "password": password} | more)


@pytest.mark.parametrize("way", ["site", "command"])
def test_after_a_reset_the_link_in_the_mail_is_the_only_way_in(
    way: str, world: World, phone: Any, visit: Any, mailoutbox: Any, settings: Any
) -> None:
    lost, account = phone("auditor"), world.users["auditor"]
    pair = log_in_over_the_api(PASSWORD, otp=lost.code()).json()
    opened = Caller(HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    assert opened.get(API + "users/me/").status_code == 200
    useless: list[dict[str, str]] = [{}, {"otp": lost.code(steps=1)}, {"otp": lost.codes[0]}]
    before = links.PASSWORD_RESET.url(User.objects.defer(None).get(pk=account.pk))
    if way == "site":
        reset(visit("management"), account)
    else:
        call_command("reset_second_factor", "auditor", stdout=StringIO())
    assert opened.get(API + "users/me/").status_code == 401
    assert Caller().post(API + "users/refresh/", {"refresh": pair["refresh"]}).status_code == 401
    for otp in useless:
        assert log_in_over_the_api(PASSWORD, **otp).json()["code"] == "login_failed"
    assert Visitor().post(f"{ADMIN}login/", {"username": "auditor", "password": PASSWORD}).status_code == 200
    assert Visitor().get(before.removeprefix(settings.PUBLIC_URL)).status_code == 404, "a link from before the reset"
    while deliver(timedelta(minutes=1)):
        pass
    sent = mailoutbox[-1]
    assert (sent.subject, sent.to) == (
        "The second factor of your account at Epic Events CRM was reset",
        ["auditor@epic.example"],
    )
    (link,) = re.findall(r"http://127\.0\.0\.1:8000(/account/password/\S+)", sent.body)
    assert choose(link).status_code == 302
    assert log_in_over_the_api(GOOD).status_code == 200


@pytest.mark.parametrize(
    "change", [{"is_active": False}, {"is_active": False, "email": ""}, {"email": "new@epic.example"}]
)
def test_the_owner_learns_of_a_reset_whatever_has_become_of_the_account(
    change: dict[str, Any], world: World, phone: Any, visit: Any, mailoutbox: Any
) -> None:
    """A link opens the account as it is now, so it doesn't go to an address that the account had before."""
    phone("auditor")
    reset(visit("management"), world.users["auditor"])
    with acting_as(Role.MANAGEMENT, user_id=world.users["management"].pk):
        User.objects.filter(username="auditor").update(**change)
    if "email" in change and change["email"]:
        call_command("confirm_address", "auditor", change["email"], stdout=StringIO())
    while deliver(timedelta(minutes=1)):
        pass
    subject = "The second factor of your account at Epic Events CRM was reset"
    (mail,) = [mail for mail in mailoutbox if mail.subject == subject]
    assert mail.to == ["auditor@epic.example"]
    assert "/account/password/" not in mail.body and "This mail has no link to a new password" in mail.body


def test_a_reset_of_nothing_changes_nothing(world: World, visit: Any) -> None:
    assert "There is no second factor of auditor to reset." in reset(visit("management"), world.users["auditor"])
    assert log_in_over_the_api(PASSWORD).status_code == 200
    assert not Mail.objects.exists()


def test_nobody_resets_their_own_and_only_a_superuser_a_superusers(world: World, phone: Any, visit: Any) -> None:
    manager, boss = world.users["management"], world.users["superuser"]
    app, browser = phone("management"), after_the_password("management")
    browser.post(ENTER, {"code": app.code()})
    phone("superuser")
    said = reset(browser, manager, boss)
    assert "Nobody resets their own second factor" in said
    assert "The second factor of superuser is a superuser&#x27;s to reset." in said
    assert has_one(manager) and has_one(boss)
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="sales").update(is_superuser=True)
    assert "The second factor of superuser is reset" in reset(visit("sales"), boss)
    assert not has_one(boss)


def test_an_auditor_resets_nothing(world: World, phone: Any, visit: Any) -> None:
    phone("other_management")
    page = visit("auditor").get(USERS)
    assert b"reset_second_factor" not in page.content
    reset(visit("auditor"), world.users["other_management"])
    assert has_one(world.users["other_management"])


def test_a_reset_of_nothing_says_so(world: World, visit: Any, events: Any) -> None:
    manager = visit("management")
    events()
    assert "There is no second factor of sales to reset." in reset(manager, world.users["sales"])
    assert events() == []


def test_the_command_line_resets_one(world: World, phone: Any, events: Any) -> None:
    phone("superuser")
    out = StringIO()
    call_command("reset_second_factor", "SuperUser", stdout=out)
    assert not has_one(world.users["superuser"])
    assert events("reason")[-1] == "authn_token_revoked reason=reset"
    call_command("reset_second_factor", "superuser", stdout=out)
    assert out.getvalue() == "superuser has no second factor any more.\nsuperuser had no second factor.\n"
    with pytest.raises(CommandError, match="There is no account with this username."):
        call_command("reset_second_factor", "nobody")


def test_an_account_takes_its_second_factor_along(world: World, phone: Any, visit: Any) -> None:
    phone("unlinked")
    page = visit("management").confirm(f"{USERS}{world.users['unlinked'].pk}/delete/", {"post": "yes"})
    assert page.status_code == 302
    assert not User.objects.filter(username="unlinked").exists()
    assert not AuthenticatorApp.objects.exists() and not StaticToken.objects.exists()


@pytest.mark.parametrize("role", MATRIX_ROLES)
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT key FROM otp_totp_totpdevice", "SELECT * FROM otp_totp_totpdevice", "SELECT token FROM otp_static_statictoken",
        "SELECT confirmed FROM otp_totp_totpdevice", "UPDATE otp_totp_totpdevice SET key = ''", "DELETE FROM otp_static_statictoken",
        "UPDATE otp_totp_totpdevice SET throttling_failure_count = 0", "DELETE FROM otp_totp_totpdevice WHERE key LIKE 'a%' ",
        "INSERT INTO otp_static_statictoken (device_id, token) VALUES (1, 'x')", "DELETE FROM otp_totp_totpdevice RETURNING key",
    ],
)  # fmt: skip
def test_no_role_reads_or_writes_a_second_factor(role: str, statement: str, world: World, phone: Any) -> None:
    phone("management")
    assert run(statement, role) == REFUSED


@pytest.mark.parametrize("table", ["otp_totp_totpdevice", "otp_static_staticdevice"])
@pytest.mark.parametrize(
    ("role", "whose", "outcome"),
    [
        ("management", "auditor", 1), ("superuser", "superuser", 1), ("management", "management", "second_factor_not_oneself"),
        ("management", "superuser", "user_superuser_guarded"), ("auditor", "auditor", REFUSED), ("sales", "auditor", REFUSED),
    ],
)  # fmt: skip
def test_postgresql_keeps_the_rules_of_a_reset(
    role: str, whose: str, outcome: Any, table: str, world: World, phone: Any
) -> None:
    phone(whose)
    statement = f"DELETE FROM {table} WHERE user_id = {world.users[whose].pk}"
    assert run(statement, role, user_id=world.users["management"].pk) == outcome


@pytest.mark.parametrize("table", ["otp_totp_totpdevice", "otp_static_staticdevice"])
def test_nobody_has_two(table: str, world: World, phone: Any) -> None:
    phone("management")
    columns = "name, confirmed, user_id, throttling_failure_count"
    more, values = (
        ("", "")
        if "static" in table
        else (", key, step, t0, digits, tolerance, drift, last_t", ", '', 30, 0, 6, 1, 0, -1")
    )
    row = f"INSERT INTO {table} ({columns}{more}) VALUES ('', true, {world.users['management'].pk}, 0{values})"
    assert str(run(row)).startswith("second_factor_one_")
