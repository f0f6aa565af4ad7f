"""A save in the admin site asks the database each question once."""

from typing import Any

import pytest
from django.db import connection
from django.db.models import ProtectedError
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_otp import DEVICE_ID_SESSION_KEY

from access.database import acting_as
from access.policy import Role
from accounts.models import User
from accounts.tests.conftest import give_phone
from audit.tests.site_forms import Tab
from clients.admin import ClientAdmin
from conftest import Visitor, World, make_client

MAX_STATEMENTS = 16

# All statements of a plain save, by the words that they begin with.
OPENED = [
    "BEGIN",
    'SELECT "django_session"',
    'SELECT "accounts_user"',  # the manager, with the hash that the session must match
    'SELECT "otp_totp_totpdevice"',  # the second factor that the session has shown
    "SELECT set_config('role'",  # the manager's database role
]
MERGED = [
    "SELECT pg_current_snapshot()",  # the version of a page that may be shown again
    'SELECT "audit"."entry"',  # changes by others since the page was shown
]
CHECKED = ["SAVEPOINT", "SELECT 1", "RELEASE SAVEPOINT"]  # a constraint of one column, which Django asks PostgreSQL
LOGGED = ['INSERT INTO "django_admin_log"', "RELEASE SAVEPOINT", "COMMIT"]

SAVES = {
    "client": (
        ("clients_client", "own_client", {"company_name": "Another name"}),
        [*OPENED, 'SELECT "clients_client"', *MERGED, "SAVEPOINT", 'UPDATE "clients_client"', *LOGGED],
    ),
    "contract": (
        ("contracts_contract", "own_draft", {"name": "Another gala"}),
        [*OPENED, 'SELECT "contracts_contract"', *MERGED, "SAVEPOINT", *CHECKED, 'UPDATE "contracts_contract"', *LOGGED],
    ),
    "event": (
        ("events_event", "own_event", {"location": "Nice"}),
        [*OPENED, 'SELECT "events_event"', *MERGED, "SAVEPOINT", 'UPDATE "events_event"', *LOGGED],
    ),
    # Its groups are read, compared and set as well.
    "account": (
        ("accounts_user", "sales", {"first_name": "Zoe"}),
        [
            *OPENED, 'SELECT "accounts_user"', MERGED[0], 'SELECT ("accounts_user_groups"', MERGED[1], MERGED[1],
            "SAVEPOINT", 'UPDATE "accounts_user"', 'SELECT "auth_group"', *LOGGED,
        ],
    ),
}  # fmt: skip


def log_in_with_second_factor(user: User) -> Visitor:
    phone, browser = give_phone(user), Visitor()
    browser.force_login(User.objects.defer(None).get(pk=user.pk))
    session = browser.session
    session[DEVICE_ID_SESSION_KEY] = phone.device.persistent_id
    session.save()
    return browser


def row_of(world: World, name: str) -> Any:
    return world.users[name] if name in world.users else getattr(world, name)


def statements_of(browser: Visitor, path: str, **typed: str) -> list[str]:
    tab = Tab(browser, path)
    with CaptureQueriesContext(connection) as asked:
        answer = tab.send(**typed)
    assert answer.status_code == 302, answer.content.decode()
    return [" ".join(query["sql"].split()) for query in asked]


@pytest.mark.parametrize("noun", SAVES)
def test_a_save_is_one_transaction_of_few_statements(committed_world: World, noun: str) -> None:
    (page, name, typed), expected = SAVES[noun]
    browser, row = log_in_with_second_factor(committed_world.users["management"]), row_of(committed_world, name)
    asked = statements_of(browser, reverse(f"admin:{page}_change", args=[row.pk]), **typed)
    with acting_as(Role.SUPERUSER):
        row.refresh_from_db()
    assert typed.items() <= vars(row).items()
    told = "\n".join(f"{number} {sql[:110]}" for number, sql in enumerate(asked, 1))
    assert len(asked) <= MAX_STATEMENTS, told
    assert len(asked) == len(expected), told
    assert all(sql.startswith(start) for sql, start in zip(asked, expected, strict=True)), told


def test_a_refusal_that_no_page_shows_takes_all_writes_back(committed_world: World, monkeypatch: Any) -> None:
    def write_half(page: ClientAdmin, request: Any, rows: Any) -> None:
        rows.update(company_name="Half done")
        raise ProtectedError("It is still in use.", {row})

    monkeypatch.setattr(ClientAdmin, "delete_queryset", write_half)
    with acting_as(Role.SUPERUSER):
        row = make_client("Gone soon", committed_world.users["sales"])
    browser = log_in_with_second_factor(committed_world.users["management"])
    path = reverse("admin:clients_client_changelist")
    answer = browser.confirm(path, {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
    assert (answer.status_code, answer["Location"]) == (302, path)
    with acting_as(Role.SUPERUSER):
        row.refresh_from_db()
    assert row.company_name == "Gone soon"
    assert "This is still in use." in browser.get(path).content.decode()
