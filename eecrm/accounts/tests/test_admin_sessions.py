"""How long a login to the admin site lasts, and what ends it at once. Clocks are moved by the session's own notes."""

import time
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core import signing
from django.db import connection
from django.utils import timezone

from access.database import acting_as
from access.policy import Role
from accounts.admin_login.reset import reset
from accounts.admin_login.session_limits import STARTED
from accounts.admin_login.session_store import digest
from accounts.models import User
from accounts.tests.moved_clock import as_if, let_pass
from accounts.tests.test_second_factor import ADMIN, ENTER, after_the_password
from config.tests.starts import start
from conftest import API, PASSWORD, Visitor, World

MINUTE, HOUR = 60, 3600


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
    let_pass(browser, used=29 * MINUTE, started=HOUR)
    assert browser.get(ADMIN).status_code == 200
    let_pass(browser, used=30 * MINUTE + 1)
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
    let_pass(browser, used=20 * MINUTE, started=HOUR)
    old = browser.cookies[settings.LAST_USE_COOKIE_NAME].value
    assert browser.get(ADMIN).status_code == 200
    renewed = browser.cookies[settings.LAST_USE_COOKIE_NAME].value
    name, _, proof = renewed.partition(":")
    seconds = time.time() - signing.b62_decode(proof.partition(":")[0])
    assert (renewed != old, name, seconds < MINUTE) == (True, digest(browser.session.session_key), True)


@pytest.mark.parametrize("cookie", ["absent", "of another session", "altered", "old"])
def test_only_the_cookie_of_its_own_last_request_keeps_a_session(cookie: str, world: World, visit: Any) -> None:
    browser, other = visit("management"), visit("management")
    let_pass(browser, started=HOUR)
    let_pass(other, started=HOUR)
    good = browser.cookies[settings.LAST_USE_COOKIE_NAME].value
    old = as_if(browser.session, started=HOUR, used=30 * MINUTE + 1)
    time_of_good, signature_of_old = good.split(":")[1], old.split(":")[2]
    browser.cookies[settings.LAST_USE_COOKIE_NAME] = {
        "absent": "",
        "of another session": other.cookies[settings.LAST_USE_COOKIE_NAME].value,
        "altered": ":".join((good.split(":")[0], time_of_good, signature_of_old)),
        "old": old,
    }[cookie]
    assert browser.get(ADMIN).url.startswith(f"{ADMIN}login/")
    assert other.get(ADMIN).status_code == 200
    assert settings.LAST_USE_COOKIE_NAME in other.cookies
    assert other.post(f"{ADMIN}logout/").cookies[settings.LAST_USE_COOKIE_NAME]["max-age"] == 0


def test_eight_hours_end_a_login_however_busy(world: World, visit: Any, events: Any) -> None:
    browser = visit("management")
    let_pass(browser, started=8 * HOUR - 10)
    assert browser.get(ADMIN).status_code == 200
    let_pass(browser, started=8 * HOUR + 1)
    events()
    assert "/login/" in browser.get(ADMIN).url
    assert events("reason") == ["session_expired reason=timeout"]


def test_the_limits_hold_before_the_second_factor_too(world: World, phone: Any) -> None:
    app, browser = phone("management"), after_the_password("management")
    let_pass(browser, used=HOUR)
    answer = browser.post(ENTER, {"code": app.code()})
    assert answer.url.startswith(f"{ADMIN}login/")
    assert browser.get(ADMIN).url.startswith(f"{ADMIN}login/")


def test_what_was_sent_after_the_end_changes_nothing(world: World, visit: Any) -> None:
    browser, user = visit("management"), world.users["unlinked"]
    let_pass(browser, used=HOUR)
    answer = browser.confirm(f"{ADMIN}accounts/user/{user.pk}/delete/", {"post": "yes"})
    assert (answer.status_code, answer.url.split("?")[0]) == (302, f"{ADMIN}login/")
    assert User.objects.filter(pk=user.pk).exists()


def test_a_session_without_notes_is_over(world: World, visit: Any) -> None:
    browser = visit("management")
    session = browser.session
    del session[STARTED]
    session.save()
    assert "/login/" in browser.get(ADMIN).url


def test_no_visit_writes_the_session(world: World, visit: Any) -> None:
    browser, seen = visit("management"), list[str]()
    let_pass(browser, used=20 * MINUTE, started=HOUR)

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        seen.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        assert browser.get(ADMIN).status_code == 200
    assert [sql.split()[0] for sql in seen if "django_session" in sql] == ["SELECT"]


def test_the_cookies_end_with_the_browser_and_the_login_before_long(world: World) -> None:
    assert settings.SESSION_COOKIE_AGE == 8 * HOUR
    assert not settings.SESSION_SAVE_EVERY_REQUEST
    browser = Visitor()
    browser.get(f"{ADMIN}login/")
    browser.post(f"{ADMIN}login/", {"username": "management", "password": PASSWORD})
    assert set(browser.cookies) == {
        settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, settings.BROWSER_COOKIE_NAME,
    }  # fmt: skip
    mark = browser.cookies.pop(settings.BROWSER_COOKIE_NAME)  # which lets nobody in
    assert (mark["max-age"], mark["path"], mark["domain"], mark["httponly"]) == (90 * 24 * HOUR, "/", "", True)
    browser.get(ADMIN)
    assert settings.LAST_USE_COOKIE_NAME in browser.cookies
    for cookie in browser.cookies.values():
        assert (cookie["max-age"], cookie["expires"], cookie["path"], cookie["domain"]) == ("", "", "/", "")
        assert cookie["httponly"]
    assert Session.objects.get().expire_date < timezone.now() + timedelta(hours=8, minutes=1)


def test_over_https_the_cookies_are_of_this_host_alone() -> None:
    """With this prefix a browser refuses a cookie that isn't Secure, has a Domain or another Path (RFC 6265bis)."""
    code = (
        "import config.settings as s; print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.BROWSER_COOKIE_NAME, s.LAST_USE_COOKIE_NAME,"
        " s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, [hasattr(s, f'{name}_COOKIE_{what}') for name in ('SESSION', 'CSRF') for what in ('PATH', 'DOMAIN')])"
    )
    assert (
        start({}, code).stdout
        == "__Host-eecrm_session __Host-eecrm_csrf __Host-eecrm_browser __Host-eecrm_last_use True True [False, False, False, False]\n"
    )
    assert start({"APP_ENV": "local"}, code).stdout.startswith(
        "eecrm_session eecrm_csrf eecrm_browser eecrm_last_use False False "
    )


@pytest.mark.parametrize(
    "aim", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "\x00", "/\\evil.example"]
)
def test_a_login_whose_next_leads_elsewhere_ends_on_the_home_page(aim: str, world: World) -> None:
    form = {"username": "management", "password": PASSWORD, "next": aim}
    assert Visitor().post(f"{ADMIN}login/", form).url == ADMIN
    assert (
        Visitor().post(f"{ADMIN}login/?next={quote(aim)}", {"username": "management", "password": PASSWORD}).url
        == ADMIN
    )


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


THERE_AND_BACK = {
    "activity": ({"is_active": False}, {"is_active": True}),
    "role": ({"role": Role.SUPPORT}, {"role": Role.MANAGEMENT}),
    "superuser status": ({"is_superuser": True}, {"is_superuser": False}),
    "password": ({"password": "!"}, {}),
}


def stored(name: str = "management") -> User:
    return User.objects.defer(None).get(username=name)


def there_and_back(cause: str) -> None:
    """As if nothing had been changed: the password's hash is the same again, too."""
    back = {"password": stored().password} | THERE_AND_BACK[cause][1]
    with acting_as(Role.SUPERUSER):
        for change in (THERE_AND_BACK[cause][0], back):
            User.objects.filter(username="management").update(**change)


@pytest.mark.parametrize("cause", THERE_AND_BACK)
def test_what_is_changed_back_gives_no_session_back(cause: str, world: World, visit: Any, events: Any) -> None:
    browser, other = visit("management"), visit("other_management")
    assert browser.get(ADMIN).status_code == 200
    there_and_back(cause)
    events()
    page = browser.get(ADMIN, follow=True)
    assert page.redirect_chain[0][0].startswith(f"{ADMIN}login/")
    assert b"Your account was changed or logged out everywhere since you logged in." in page.content
    assert events("reason") == ["session_expired reason=revoked"]
    assert other.get(ADMIN).status_code == 200
    browser.force_login(stored())
    assert browser.get(ADMIN).status_code == 200


@pytest.mark.parametrize("cause", THERE_AND_BACK)
def test_a_login_that_was_under_way_meanwhile_begins_no_session(cause: str, world: World) -> None:
    checked, browser = stored(), Visitor()
    there_and_back(cause)
    browser.force_login(checked)
    assert browser.get(ADMIN).url.startswith(f"{ADMIN}login/")


def test_a_reset_of_the_second_factor_ends_the_sessions_that_have_not_shown_it_too(world: World, phone: Any) -> None:
    phone("management")
    half_way = after_the_password("management")
    assert half_way.get(ENTER).status_code == 200
    user = stored()
    hashed = user.password
    with acting_as(Role.SUPERUSER):
        reset(user)
        User.objects.filter(username="management").update(password=hashed)
    assert half_way.get(ADMIN).url.startswith(f"{ADMIN}login/")


@pytest.mark.parametrize("name", ["management", "auditor", "superuser"])
def test_logging_out_everywhere_ends_the_sessions_of_the_site_too(
    name: str, world: World, visit: Any, caller: Any
) -> None:
    browser, other = visit(name), visit("other_management")
    assert browser.get(ADMIN).status_code == 200
    assert caller(name).post(f"{API}users/logout-all/").status_code == 204
    assert browser.get(ADMIN).url.startswith(f"{ADMIN}login/")
    assert other.get(ADMIN).status_code == 200
    browser.force_login(stored(name))
    assert browser.get(ADMIN).status_code == 200


def test_the_session_in_which_a_password_is_changed_goes_on_and_no_other(world: World, visit: Any) -> None:
    browser, other = visit("management"), visit("management")
    new = "a different long phrase"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert browser.post(f"{ADMIN}password_change/", form).url == f"{ADMIN}password_change/done/"
    assert browser.get(ADMIN).status_code == 200
    assert other.get(ADMIN).url.startswith(f"{ADMIN}login/")
    there_and_back("role")
    assert browser.get(ADMIN).url.startswith(f"{ADMIN}login/")


def test_the_session_of_an_account_that_is_not_active_is_gone(world: World, visit: Any) -> None:
    browser = visit("management")
    assert browser.get(ADMIN).status_code == 200
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="management").update(is_active=False)
    assert browser.get(ADMIN).url.startswith(f"{ADMIN}login/")
    assert not Session.objects.exists()


def test_a_password_whose_hash_is_made_stronger_at_a_login_does_not_end_it(world: World, settings: Any) -> None:
    weak = stored().password
    settings.PASSWORD_HASHERS = ["accounts.tests.hashers.StrongerHasher"]
    browser = Visitor()
    assert browser.post(f"{ADMIN}login/", {"username": "management", "password": PASSWORD}).status_code == 302
    assert stored().password != weak
    assert browser.get(ADMIN).status_code == 200


@pytest.mark.parametrize("role", [*Role])
def test_no_role_writes_the_number_of_ends_but_the_login_role_which_only_raises_it(
    role: Role, world: World, sql_refusal: Any
) -> None:
    user = stored()
    lower = f"UPDATE accounts_user SET logins_ended = logins_ended - 5 WHERE id = {user.pk}"
    assert sql_refusal(lower, role, user.pk) == "42501"
    assert sql_refusal(lower) == ""
    assert stored().logins_ended == user.logins_ended + 1


def test_the_data_of_one_session_is_worth_nothing_in_the_row_of_another(world: World, visit: Any) -> None:
    thief, victim = visit("auditor"), visit("superuser")
    rows = [Session.objects.get(session_key=digest(one.session.session_key)) for one in (thief, victim)]
    mine, theirs = (row.session_data for row in rows)
    for row, data in zip(rows, (theirs, mine), strict=True):
        Session.objects.filter(pk=row.pk).update(session_data=data)
    for browser in (thief, victim):
        assert browser.get(ADMIN).url.startswith(f"{ADMIN}login/")
    for row, data in zip(rows, (mine, theirs), strict=True):
        Session.objects.filter(pk=row.pk).update(session_data=data)
    assert (
        thief.get(f"{ADMIN}accounts/user/").status_code == victim.get(f"{ADMIN}accounts/user/add/").status_code == 200
    )
    assert thief.get(f"{ADMIN}accounts/user/add/").status_code == 403


@pytest.mark.parametrize("role", [*Role])
@pytest.mark.parametrize(
    "statement",
    ["SELECT session_key FROM django_session", "DELETE FROM django_session", "UPDATE django_session SET expire_date = now()",
     "INSERT INTO django_session VALUES ('x', '', now())"],
)  # fmt: skip
def test_no_role_reaches_a_session(statement: str, role: Role, world: World, sql_refusal: Any) -> None:
    assert sql_refusal(statement, role, world.users["superuser"].pk) == "42501"


def test_a_manager_who_becomes_an_auditor_only_reads_from_then_on(world: World, visit: Any) -> None:
    browser = visit("management")
    assert browser.get(f"{ADMIN}accounts/user/add/").status_code == 200
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="management").update(role=Role.AUDITOR)
    assert browser.get(f"{ADMIN}accounts/user/").url.startswith(f"{ADMIN}login/")
    browser.force_login(stored())
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
