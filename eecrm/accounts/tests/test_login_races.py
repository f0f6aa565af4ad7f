"""Logins under way while the account changes: none of them leaves a session behind (`security.md` 31)."""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from io import StringIO
from threading import Event, Thread
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models.functions import Now

from access.database import acting_as, leave
from access.policy import Role
from accounts.admin_login import second_factor
from accounts.login import tokens
from accounts.login.credentials import AccountBackend
from accounts.models import AuthenticatorApp, KnownPlace, TokenSession, User
from accounts.passwords import links
from accounts.tests.conftest import Phone, give_phone
from accounts.tests.test_links import GOOD, choose
from api.requests import limits
from api.tests.test_at_once import alone, wait_for_a_blocked_statement
from api.tests.test_races import ROUNDS, Crowd, at_once  # noqa: F401  # a fixture
from conftest import API, PASSWORD, Caller, Visitor, World

LOGIN, REFRESH, ME, NEW_PASSWORD = (API + f"users/{page}/" for page in ("login", "refresh", "me", "me/password"))


def stored(name: str) -> User:
    return User.objects.defer(None).get(username=name)


def set_fields(user: User, **fields: Any) -> None:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(pk=user.pk).update(**fields)


def by_old_password(user: User, access: str) -> None:
    change = {"old_password": PASSWORD, "new_password": GOOD}
    assert Caller(HTTP_AUTHORIZATION=f"Bearer {access}").post(NEW_PASSWORD, change).status_code == 204


def by_link(user: User, access: str) -> None:
    assert (
        choose(links.PASSWORD_RESET.url(stored(user.username)).removeprefix("http://127.0.0.1:8000")).status_code == 302
    )


def set_up_factor(user: User) -> None:
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        give_phone(user)


CHANGES: dict[str, Callable[[User, str], None]] = {
    "own password": by_old_password,
    "password by link": by_link,
    "deactivation": lambda user, access: set_fields(user, is_active=False),
    "role": lambda user, access: set_fields(user, role=Role.SUPPORT),
    "superuser": lambda user, access: set_fields(user, is_superuser=True),
    "first second factor": lambda user, access: set_up_factor(user),
}


# After these the password is right as before: a login that was checked as the account is now is as good as any.
NEW_ROLES = {"role": Role.SUPPORT, "superuser": Role.SUPERUSER}


class Logins:
    """Logins that go on until a change has come."""

    def __init__(self, user: User) -> None:
        self.user, self.is_over = user, False
        self.answers: list[Any] = []

    def go_on(self) -> None:
        while not self.is_over:
            self.answers.append(Caller().post(LOGIN, {"username": self.user.username, "password": PASSWORD}))

    def change(self, change: Callable[[], None], pause: float) -> None:
        time.sleep(pause)  # somewhere within a login, another place in each round
        change()
        self.is_over = True


@pytest.mark.parametrize("change", CHANGES)
def test_four_logins_against_a_change_leave_no_session_behind(
    change: str,
    committed_world: World,
    at_once: Crowd,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hashed, seed = committed_world.users["sales"].password, int(os.environ.get("SEED", random.randrange(2**32)))
    pauses = random.Random(seed)
    print(f"SEED={seed}")
    caplog.set_level("INFO", "eecrm.security")
    for number in range(ROUNDS):
        with acting_as(Role.SUPERUSER):
            fields = {"role": Role.SALES, "email": f"racer{number}@epic.example", "password": hashed}
            racer = User.objects.create(username=f"racer{number}", **fields)
        logins = Logins(racer)
        changing = partial(CHANGES[change], racer, tokens.log_in(racer).access)
        caplog.clear()
        at_once([logins.go_on] * 4 + [partial(logins.change, changing, pauses.uniform(0, 0.2))])
        checked_as = {event.request_id: event.role for event in caplog.records if event.msg == "authn_login_success"}
        assert {answer.status_code for answer in logins.answers} <= {200, 401}
        for answer in logins.answers:
            if answer.status_code == 401 or checked_as[answer["X-Request-ID"]] == NEW_ROLES.get(change):
                continue
            pair = answer.json()
            assert Caller(HTTP_AUTHORIZATION=f"Bearer {pair['access']}").get(ME).status_code == 401
            assert Caller().post(REFRESH, {"refresh": pair["refresh"]}).status_code == 401


@contextmanager
def under_way(change: Callable[[], Any]) -> Iterator[None]:
    """Another connection has made the change and not committed it; it commits when a statement here waits for it."""
    done, pid = Event(), connection.cursor().connection.get_backend_pid()

    def other() -> None:
        with transaction.atomic():
            change()
            done.set()
            with connection.cursor() as cursor:
                waiting = "SELECT pg_backend_pid() = ANY(pg_blocking_pids(%s)), pg_sleep(0.01)"
                for _ in range(1_000):
                    cursor.execute(waiting, [pid])
                    if cursor.fetchone()[0]:
                        break
        connection.close()

    thread = Thread(target=other)
    thread.start()
    done.wait(10)
    yield
    thread.join()


FIELDS: list[dict[str, Any]] = [
    {"password": "!"}, {"is_active": False}, {"role": "support"}, {"is_superuser": True},
]  # fmt: skip


@pytest.mark.parametrize("fields", FIELDS, ids=str)
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_the_account_is_compared_again_with_what_was_checked(
    when: str, fields: dict[str, Any], committed_world: World
) -> None:
    checked = stored("sales")
    if when == "before":
        set_fields(checked, **fields)
        with pytest.raises(tokens.LoginRefused):
            tokens.log_in(checked)
    else:
        with under_way(lambda: set_fields(checked, **fields)), pytest.raises(tokens.LoginRefused):
            tokens.log_in(checked)
    assert not TokenSession.objects.exists()


def there_and_back(**fields: Any) -> Callable[[User], None]:
    def change(user: User) -> None:
        set_fields(user, **fields)
        set_fields(user, **{name: getattr(user, name) for name in fields})

    return change


def end_logins(user: User) -> None:
    with transaction.atomic():
        leave(user_id=user.pk)
        User.objects.filter(pk=user.pk).end_logins()


@pytest.mark.parametrize("change", [there_and_back(is_active=False), there_and_back(role="support"), end_logins])
def test_a_login_is_refused_where_all_logins_ended_while_it_was_checked(
    change: Callable[[User], None], committed_world: World
) -> None:
    checked = stored("sales")
    change(checked)
    with pytest.raises(tokens.LoginRefused):
        tokens.log_in(checked)
    tokens.log_in(stored("sales"))


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_second_factor_that_comes_during_a_login_is_asked_for(when: str, committed_world: World) -> None:
    checked = stored("management")
    assert checked.second_factor is None
    if when == "before":
        set_up_factor(stored("management"))
        with pytest.raises(tokens.LoginRefused):
            tokens.log_in(checked)
    else:
        with under_way(lambda: set_up_factor(stored("management"))), pytest.raises(tokens.LoginRefused):
            tokens.log_in(checked)
    assert not TokenSession.objects.exists()


@pytest.mark.parametrize("change", ["own password", "role"])
def test_a_login_of_the_site_leaves_no_known_place_behind(
    change: str, committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its password was right when it was checked. The change came before the login noted the browser."""
    checked, user = Event(), committed_world.users["management"]
    access, authenticate = tokens.log_in(stored("management")).access, AccountBackend.authenticate

    def overtaken(*args: Any, **kwargs: Any) -> Any:
        found = authenticate(*args, **kwargs)
        if found is not None and not checked.is_set():
            checked.set()
            changing = Thread(target=alone(partial(CHANGES[change], user, access)))
            changing.start()
            changing.join()
        return found

    monkeypatch.setattr(AccountBackend, "authenticate", overtaken)
    browser = Visitor(REMOTE_ADDR="192.0.2.66")
    browser.post("/hidden-admin/login/", {"username": "management", "password": PASSWORD})
    assert checked.is_set()
    assert settings.BROWSER_COOKIE_NAME not in browser.cookies
    assert not KnownPlace.objects.filter(user=user, place="192.0.2.66").exists()
    assert browser.get("/hidden-admin/").status_code == 302


def test_a_login_under_way_and_a_password_by_link_lock_nothing_in_two_orders(
    committed_world: World, migrator: Any
) -> None:
    """A login of the site locks the account's limit and then the account. The page of the link must not wait for the limit
    while it holds the account: PostgreSQL would end one of the two.
    """
    user, limit = committed_world.users["management"], limits.limit("login_failed_account")
    answers: list[Any] = []
    url = links.PASSWORD_RESET.url(stored("management")).removeprefix("http://127.0.0.1:8000")
    choosing = Thread(target=alone(lambda: answers.append(choose(url))))
    with transaction.atomic(), migrator.cursor() as cursor:
        limits.take((limit, "management", 1))
        choosing.start()
        wait_for_a_blocked_statement(cursor)
        User.objects.filter(pk=user.pk).update(last_login=Now())
    choosing.join()
    assert [answer.status_code for answer in answers] == [302]


def test_what_did_not_change_lets_the_login_go_on(committed_world: World) -> None:
    checked = stored("sales")
    set_fields(checked, first_name="Another", email="another@epic.example")
    with under_way(lambda: set_fields(checked, last_name="Name")):
        tokens.log_in(checked)
    assert TokenSession.objects.open().count() == 1


def test_a_stronger_hash_never_overwrites_a_password_that_changed_meanwhile(
    committed_world: World, settings: Any
) -> None:
    checked = stored("sales")
    set_fields(checked, password="argon2$chosen meanwhile")
    settings.PASSWORD_HASHERS = ["accounts.tests.hashers.StrongerHasher"]
    assert checked.check_password(PASSWORD)
    assert stored("sales").password == "argon2$chosen meanwhile"
    with pytest.raises(tokens.LoginRefused):
        tokens.log_in(checked)


def test_a_thief_with_the_old_password_never_overwrites_the_one_that_the_owner_chooses_by_link(
    committed_world: World,
) -> None:
    thief = Caller.as_user(stored("sales"))
    owner = links.PASSWORD_RESET.url(stored("sales")).removeprefix("http://127.0.0.1:8000")

    def choose_now() -> None:
        leave()
        user = User.objects.select_for_update(of=("self",)).get(username="sales")
        assert links.is_valid(stored("sales"), owner.split("/")[-2])
        user.set_password(GOOD)
        user.save(update_fields=["password"])

    with under_way(choose_now):
        change = {"old_password": PASSWORD, "new_password": "a thief's new passphrase"}
        assert thief.post(NEW_PASSWORD, change).status_code in (400, 401)
    assert stored("sales").check_password(GOOD)


@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_of_four_logins_with_one_code_one_gets_in(
    kind: str,
    committed_world: World,
    at_once: Crowd,
) -> None:
    for _ in range(ROUNDS):
        app = renewed(committed_world.users["management"])
        body = {"username": "management", "password": PASSWORD, "otp": app.code() if kind == "app" else app.codes[0]}
        answers = at_once([partial(Caller().post, LOGIN, body)] * 4)
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
        assert TokenSession.objects.open().filter(user=app.user).count() == 1


def test_logins_with_a_code_against_a_reset_leave_no_session_behind(
    committed_world: World,
    at_once: Crowd,
) -> None:
    hashed = committed_world.users["sales"].password
    for _ in range(ROUNDS):
        user = committed_world.users["auditor"]
        set_fields(user, password=hashed)
        app = renewed(user)
        body = {"username": "auditor", "password": PASSWORD}
        logins = [partial(Caller().post, LOGIN, body | {"otp": code}) for code in app.codes[:4]]
        answers = at_once([*logins, partial(call_command, "reset_second_factor", "auditor", stdout=StringIO())])[:4]
        assert {answer.status_code for answer in answers} <= {200, 401}
        assert not TokenSession.objects.open().filter(user=user).exists()
        assert not AuthenticatorApp.objects.filter(user=user).exists()


def renewed(user: User) -> Phone:
    with transaction.atomic():
        leave(user_id=user.pk)
        second_factor.erase(user)
        return give_phone(user)
