"""How long a login to the admin site lasts, and what ends it at once. Clocks are moved by the session's own notes."""

import time
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from access.database import acting_as
from access.policy import Role
from accounts.gate.sessions import SEEN, STARTED
from accounts.gate.store import digest
from accounts.models import User
from accounts.tests.test_second_factor import ADMIN, ENTER, after_the_password
from config.tests.starts import start
from conftest import PASSWORD, Visitor, World

MINUTE, HOUR = 60, 3600


def as_if(browser: Visitor, **ago: float) -> None:
    session = browser.session
    for note, seconds in ago.items():
        session[note] = int(time.time() - seconds)
    session.save()


def test_who_reads_the_stored_key_of_a_session_is_nobody_with_it(world: World, visit: Any) -> None:
    browser = visit("management")
    assert browser.get(ADMIN).status_code == 200
    cookie, stored = browser.cookies[settings.SESSION_COOKIE_NAME], Session.objects.values_list("pk", flat=True).get()
    assert cookie.value != stored == digest(cookie.value)
    thief = Visitor()
    thief.cookies[settings.SESSION_COOKIE_NAME] = stored
    assert thief.get(ADMIN).status_code == 302
    assert browser.get(ADMIN).status_code == 200
    browser.post(f"{ADMIN}logout/")
    assert not Session.objects.exists()


def test_thirty_minutes_without_a_request_end_a_login(world: World, visit: Any, events: Any) -> None:
    browser = visit("management")
    as_if(browser, **{SEEN: 29 * MINUTE, STARTED: HOUR})
    assert browser.get(ADMIN).status_code == 200
    as_if(browser, **{SEEN: 30 * MINUTE + 1})
    key = browser.session.session_key
    events()
    page = browser.get(f"{ADMIN}events/event/", follow=True)
    assert page.redirect_chain == [(f"{ADMIN}login/?next=/hidden-admin/events/event/", 302)]
    assert b"You were logged out after 30 minutes without a request, or 8 hours after your login." in page.content
    assert b"You are authenticated as" not in page.content
    assert events("reason", "account") == [f"session_expired reason=timeout account={world.users['management'].pk}"]
    assert not Session.objects.filter(session_key=digest(key)).exists()


def test_a_request_within_time_renews_the_thirty_minutes(world: World, visit: Any) -> None:
    browser = visit("management")
    for _ in range(3):
        as_if(browser, **{SEEN: 20 * MINUTE})
        assert browser.get(ADMIN).status_code == 200
        assert time.time() - browser.session[SEEN] < MINUTE


def test_eight_hours_end_a_login_however_busy(world: World, visit: Any, events: Any) -> None:
    browser = visit("management")
    as_if(browser, **{STARTED: 8 * HOUR - 10})
    assert browser.get(ADMIN).status_code == 200
    as_if(browser, **{STARTED: 8 * HOUR + 1})
    events()
    assert "/login/" in browser.get(ADMIN).url
    assert events("reason") == ["session_expired reason=timeout"]


def test_the_limits_hold_before_the_second_factor_too(world: World, phone: Any) -> None:
    app, browser = phone("management"), after_the_password("management")
    as_if(browser, **{SEEN: HOUR})
    answer = browser.post(ENTER, {"code": app.code()})
    assert answer.url.startswith(f"{ADMIN}login/")
    assert browser.get(ADMIN).url.startswith(f"{ADMIN}login/")


def test_what_was_sent_after_the_end_changes_nothing(world: World, visit: Any) -> None:
    browser, user = visit("management"), world.users["unlinked"]
    as_if(browser, **{SEEN: HOUR})
    answer = browser.confirm(f"{ADMIN}accounts/user/{user.pk}/delete/", {"post": "yes"})
    assert (answer.status_code, answer.url.split("?")[0]) == (302, f"{ADMIN}login/")
    assert User.objects.filter(pk=user.pk).exists()


def test_a_session_without_notes_is_over(world: World, visit: Any) -> None:
    browser = visit("management")
    session = browser.session
    del session[STARTED]
    session.save()
    assert "/login/" in browser.get(ADMIN).url


def test_a_session_is_written_once_a_minute(world: World, visit: Any) -> None:
    browser = visit("management")
    browser.get(ADMIN)

    def written(sql: str) -> bool:
        return "django_session" in sql and not sql.startswith("SELECT")

    for ago, writes in ((59, False), (61, True)):
        as_if(browser, **{SEEN: ago})
        seen: list[str] = []

        def note(execute: Any, sql: str, *rest: Any, seen: list[str] = seen) -> Any:
            seen.append(sql)
            return execute(sql, *rest)

        with connection.execute_wrapper(note):
            browser.get(ADMIN)
        assert any(written(sql) for sql in seen) == writes


def test_the_cookies_end_with_the_browser_and_the_login_before_long(world: World) -> None:
    assert settings.SESSION_COOKIE_AGE == 8 * HOUR
    assert not settings.SESSION_SAVE_EVERY_REQUEST
    browser = Visitor()
    browser.get(f"{ADMIN}login/")
    browser.post(f"{ADMIN}login/", {"username": "management", "password": PASSWORD})
    assert set(browser.cookies) == {settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME}
    for cookie in browser.cookies.values():
        assert (cookie["max-age"], cookie["expires"], cookie["path"], cookie["domain"]) == ("", "", "/", "")
        assert cookie["httponly"]
    assert Session.objects.get().expire_date < timezone.now() + timedelta(hours=8, minutes=1)


def test_over_https_the_cookies_are_of_this_host_alone() -> None:
    """With this prefix a browser refuses a cookie that isn't Secure, has a Domain or another Path (RFC 6265bis)."""
    code = (
        "import config.settings as s; print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.SESSION_COOKIE_SECURE,"
        " s.CSRF_COOKIE_SECURE, [hasattr(s, f'{name}_COOKIE_{what}') for name in ('SESSION', 'CSRF') for what in ('PATH', 'DOMAIN')])"
    )
    assert start({}, code).stdout == "__Host-eecrm_session __Host-eecrm_csrf True True [False, False, False, False]\n"
    assert start({"APP_ENV": "local"}, code).stdout.startswith("eecrm_session eecrm_csrf False False ")


@pytest.mark.parametrize("aim", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "\x00", "/\\evil.example"])
def test_a_login_whose_next_leads_elsewhere_ends_on_the_home_page(aim: str, world: World) -> None:
    form = {"username": "management", "password": PASSWORD, "next": aim}
    assert Visitor().post(f"{ADMIN}login/", form).url == ADMIN
    assert Visitor().post(f"{ADMIN}login/?next={quote(aim)}", {"username": "management", "password": PASSWORD}).url == ADMIN


@pytest.mark.parametrize(
    "change",
    [{"password": "x"}, {"is_active": False}, {"role": Role.SALES}, {"role": Role.EXTERNAL}],
    ids=["password", "activity", "role sales", "role external"],
)
def test_what_changes_an_account_ends_its_way_in_at_once(change: dict[str, Any], world: World, visit: Any) -> None:
    browser = visit("management")
    assert browser.get(ADMIN).status_code == 200
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="management").update(**change)
    assert browser.get(ADMIN).url.startswith(f"{ADMIN}login/")
    assert browser.post(f"{ADMIN}accounts/user/add/", {}).url.startswith(f"{ADMIN}login/")


def test_a_manager_who_becomes_an_auditor_only_reads_from_then_on(world: World, visit: Any) -> None:
    browser = visit("management")
    assert browser.get(f"{ADMIN}accounts/user/add/").status_code == 200
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="management").update(role=Role.AUDITOR)
    assert browser.get(f"{ADMIN}accounts/user/").status_code == 200
    assert browser.get(f"{ADMIN}accounts/user/add/").status_code == 403


def test_logging_in_and_out_is_logged(world: World, events: Any) -> None:
    browser = after_the_password("management")
    assert "session_created" in [line.split()[0] for line in events()]
    browser.post(f"{ADMIN}logout/")
    pk = world.users["management"].pk
    assert events("account", "reason") == [f"session_expired account={pk} reason=logout"]
    assert "/login/" in browser.get(ADMIN).url


def test_the_api_takes_no_session(world: World, visit: Any) -> None:
    assert visit("management").get("/api/v1/clients/").status_code == 401
