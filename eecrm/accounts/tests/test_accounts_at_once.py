"""Changes of accounts at the same moment as other changes, and as new rows that refer to the accounts."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import connection

from access.database import acting_as
from access.policy import Role
from accounts.importing import saving
from accounts.models import LinkRequest, User
from accounts.passwords import links
from accounts.tests.people import lines, link_to, sent
from accounts.tests.test_address_changes import page_of
from accounts.tests.test_admin_csv import IMPORT, chosen, signed, words
from accounts.tests.test_links import choose
from api.tests.test_at_once import alone
from api.tests.test_races import ROUNDS, Crowd, at_once  # noqa: F401  # a fixture
from audit.admin.page_versions import PAGE_VERSION_FIELD
from conftest import API, PASSWORD, PATIENCE, Caller, Visitor, World

NAME = "other_management"


def form_of(user: User, **changes: Any) -> dict[str, Any]:
    return {"username": user.username, "role": user.role, "is_active": "on", "email": user.email} | changes


def save(world: World, **changes: Any) -> None:
    browser, account = Visitor(), world.users[NAME]
    browser.force_login(world.users["management"])
    assert browser.post(page_of(account), form_of(account, **changes)).status_code == 302
    stored = User.objects.get(pk=account.pk)
    assert {name: getattr(stored, name) for name in changes} == changes


def change_own_name(world: World) -> None:
    assert Caller.as_user(world.users[NAME]).patch(API + "users/me/", {"last_name": "Renamed"}).status_code == 200


def ask_for_link(world: World) -> None:
    LinkRequest.objects.create(typed=NAME)
    assert [message.to for message in sent()] == [[f"{NAME}@epic.example"]]


def choose_password(world: World) -> None:
    user = User.objects.defer(None).get(username=NAME)
    assert choose(links.PASSWORD_RESET.url(user).removeprefix("http://127.0.0.1:8000")).status_code == 302


def change_own_address(world: World) -> None:
    body = {"email": "new@epic.example", "password": PASSWORD}
    assert Caller.as_user(world.users[NAME]).post(API + "users/me/email/", body).status_code == 202
    path = link_to("new@epic.example", sent())
    assert Visitor().post(path).status_code == 302


ACTIONS: dict[str, Callable[[World], None]] = {
    "username": partial(save, username="renamed"),
    "name": partial(save, last_name="Renamed"),
    "role": partial(save, role="sales"),
    "nothing": save,
    "own name": change_own_name,
    "link asked for": ask_for_link,
    "password by link": choose_password,
    "own address": change_own_address,
}


@pytest.fixture
def impatient(committed_world: World) -> Iterator[None]:
    """A statement that waits for another fails soon."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '1s'")
        yield
        cursor.execute("RESET lock_timeout")


@pytest.mark.parametrize("name", ACTIONS)
def test_a_change_of_an_account_does_not_wait_for_rows_that_refer_to_it(
    name: str, committed_world: World, impatient: None, migrator: Any
) -> None:
    """A log entry or a mail locks the row of its account. Two managers who waited for such locks would deadlock."""
    migrator.autocommit = False
    with migrator.cursor() as cursor:
        key = committed_world.users[NAME].pk
        cursor.execute("INSERT INTO accounts_mail (kind, user_id, address) VALUES ('account_news', %s, '')", [key])
        ACTIONS[name](committed_world)
        migrator.rollback()


def test_managers_rename_each_other_at_the_same_moment(committed_world: World, at_once: Crowd) -> None:  # noqa: F811
    pair = [committed_world.users[name] for name in ("management", "other_management")]
    browsers = [Visitor() for _ in pair]
    for browser, user in zip(browsers, pair, strict=True):
        browser.force_login(user)
    for number in range(ROUNDS):
        sends = []
        for browser, account in zip(browsers, reversed(pair), strict=True):
            form = form_of(account, username=f"manager{account.pk}.{number}")
            version = {PAGE_VERSION_FIELD: browser.version_of(page_of(account))}
            sends.append(partial(browser.post, page_of(account), form | version))
        assert [answer.status_code for answer in at_once(sends)] == [302, 302]


def test_of_two_confirmations_of_an_import_the_later_one_shows_what_has_changed(committed_world: World) -> None:
    browser = Visitor()
    browser.force_login(committed_world.users["management"])
    new = [f"new{number},new{number}@epic.example,sales" for number in range(60)]
    form = signed(browser.post(IMPORT, chosen(lines(*new, header="username,email,role"))))
    firsts: list[Any] = []

    def confirm_before(execute: Any, sql: str, *rest: Any) -> Any:
        if sql == saving._INSERT and not firsts:
            with ThreadPoolExecutor() as pool:
                confirming = alone(lambda: firsts.append(browser.post(IMPORT, form)))
                pool.submit(confirming).result(timeout=PATIENCE)
        return execute(sql, *rest)

    with connection.execute_wrapper(confirm_before):
        second = browser.post(IMPORT, form)
    assert [answer.status_code for answer in (*firsts, second)] == [302, 200]
    said = words(second)
    assert "The list would do nothing: 0 accounts created, 0 changed, 60 unchanged" in said
    assert "new0 is no longer here." in said
    assert "Nothing was imported" not in said
    with acting_as(Role.MANAGEMENT):
        assert User.objects.filter(username__startswith="new").count() == 60
