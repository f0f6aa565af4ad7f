"""Between the password and the admin site: a code of the app, or a recovery code."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_static.models import StaticToken

from accounts.admin_login import second_factor
from accounts.models import AuthenticatorApp, Mail
from accounts.tests.conftest import give_phone
from accounts.tests.test_admin_routes import pages
from conftest import API, PASSWORD, Caller, Visitor, World

ADMIN = f"/{settings.ADMIN_URL}"
ENTER, SET_UP, MANAGE = (f"{ADMIN}second-factor/{page}" for page in ("", "set-up/", "manage/"))


@pytest.fixture(params=["required", "optional"])
def mode(request: Any, settings: Any) -> str:
    settings.SECOND_FACTOR = request.param
    return str(request.param)


def after_the_password(name: str, page: str = ADMIN) -> Visitor:
    browser = Visitor()
    response = browser.post(f"{ADMIN}login/?next={page}", {"username": name, "password": PASSWORD})
    assert (response.status_code, response.url) == (302, page)
    return browser


@pytest.mark.parametrize("name", ["management", "auditor", "superuser"])
def test_a_code_opens_the_page_that_was_asked_for(name: str, mode: str, world: World, phone: Any) -> None:
    app, page = phone(name), f"{ADMIN}clients/client/?q=own"
    browser = after_the_password(name, page)
    stopped = browser.get(page)
    assert (stopped.status_code, stopped.url) == (302, f"{ENTER}?next=/hidden-admin/clients/client/%3Fq%3Down")
    form = browser.get(stopped.url)
    assert form.status_code == 200
    assert b"Log out" in form.content
    opened = browser.post(stopped.url, {"code": app.code(), "next": page})
    assert (opened.status_code, opened.url) == (302, page)
    assert browser.get(page).status_code == 200


@pytest.mark.parametrize("method", ["get", "post"])
def test_every_page_leads_to_the_code_first(method: str, mode: str, world: World, phone: Any) -> None:
    phone("management")
    browser = after_the_password("management")
    for page in (*pages(world), "jsi18n/", "r/1/1/", "nothing/here/", "accounts/", "password_change/done/"):
        response = getattr(browser, method)(ADMIN + page)
        if page == "second-factor/":
            assert response.status_code == 200
        else:
            assert (response.status_code, response.url.split("?")[0]) == (302, ENTER), page
    assert browser.get(f"{ADMIN}login/?next={ADMIN}events/event/").url == f"{ENTER}?next=/hidden-admin/events/event/"


def test_who_has_no_app_is_led_to_set_one_up_where_it_is_required(world: World, settings: Any) -> None:
    settings.SECOND_FACTOR = "required"
    browser = after_the_password("auditor")
    for page in pages(world):
        if page == "second-factor/set-up/":
            continue
        assert browser.get(ADMIN + page, follow=True).redirect_chain[-1][0].split("?")[0] == SET_UP, page
    assert browser.get(ADMIN + "events/event/").url == f"{SET_UP}?next=/hidden-admin/events/event/"
    assert b'<a class="closelink"' not in browser.get(SET_UP).content


def test_who_has_no_app_is_let_in_and_invited_where_it_is_optional(world: World, settings: Any) -> None:
    settings.SECOND_FACTOR = "optional"
    page = after_the_password("auditor").get(ADMIN)
    assert page.status_code == 200
    assert SET_UP.encode() in page.content


def test_whoever_is_half_way_in_can_log_out(mode: str, world: World, phone: Any) -> None:
    phone("management")
    browser = after_the_password("management")
    assert browser.post(f"{ADMIN}logout/").status_code == 200
    assert "/login/" in browser.get(ENTER).url


def test_the_session_has_another_key_after_the_code(world: World, phone: Any) -> None:
    app, browser = phone("management"), after_the_password("management")
    before = browser.cookies[settings.SESSION_COOKIE_NAME].value
    browser.post(ENTER, {"code": app.code()})
    assert browser.cookies[settings.SESSION_COOKIE_NAME].value != before
    thief = Visitor()
    thief.cookies[settings.SESSION_COOKIE_NAME] = before
    assert "/login/" in thief.get(ADMIN).url


def test_logging_in_again_asks_for_a_code_again(world: World, phone: Any) -> None:
    app, browser = phone("management"), after_the_password("management")
    browser.post(ENTER, {"code": app.code()})
    assert browser.get(ADMIN).status_code == 200
    browser.post(f"{ADMIN}login/", {"username": "management", "password": PASSWORD})
    assert browser.get(ADMIN).url.startswith(ENTER)


def test_a_code_works_once(world: World, phone: Any) -> None:
    app = phone("management")
    code = app.code()
    assert after_the_password("management").post(ENTER, {"code": code}).status_code == 302
    again = after_the_password("management").post(ENTER, {"code": code})
    assert b"was used before" in again.content


def test_a_recovery_code_works_once_and_is_not_stored(world: World, phone: Any, events: Any) -> None:
    app = phone("management")
    code = app.codes[0]
    stored = set(StaticToken.objects.values_list("token", flat=True))
    assert len(stored) == second_factor.RECOVERY_CODES == len(set(app.codes))
    assert not stored & {code.lower() for code in app.codes} | stored & set(app.codes)
    events()
    spelt = second_factor.grouped(code).lower().replace(" ", "-")
    assert after_the_password("management").post(ENTER, {"code": spelt}).status_code == 302
    assert events("factor")[-1] == "authn_login_success factor=recovery_code"
    assert StaticToken.objects.count() == second_factor.RECOVERY_CODES - 1
    assert b"was used before" in after_the_password("management").post(ENTER, {"code": code}).content


def test_few_recovery_codes_left_are_told(world: World, phone: Any) -> None:
    app = phone("management")
    for code in app.codes[:6]:
        page = after_the_password("management").post(ENTER, {"code": code}, follow=True)
    assert b"Recovery codes left: 4. Make new ones" in page.content


@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_a_colleagues_code_is_no_use(kind: str, world: World, phone: Any) -> None:
    phone("management")
    other = phone("other_management")
    code = other.code() if kind == "app" else other.codes[0]
    assert after_the_password("management").post(ENTER, {"code": code}).status_code == 200
    assert after_the_password("other_management").post(ENTER, {"code": code}).status_code == 302


def test_wrong_codes_have_to_wait_and_the_page_says_how_long(world: World, phone: Any, events: Any) -> None:
    app, browser = phone("management"), after_the_password("management")
    events()
    assert b"This code isn&#x27;t right" in browser.post(ENTER, {"code": app.wrong_code()}).content
    assert events("factor", "failures", "account") == [
        f"authn_login_fail factor=totp failures=1 account={world.users['management'].pk}"
    ]
    waiting = browser.post(ENTER, {"code": app.code()})
    assert b"Too many wrong codes: try again in 1 second." in waiting.content
    AuthenticatorApp.objects.update(throttling_failure_count=7)
    assert b"try again in 64 seconds." in browser.post(ENTER, {"code": app.code()}).content
    assert browser.post(ENTER, {"code": app.codes[0]}).status_code == 302, "recovery codes have a limit of their own"
    app.wait()
    assert after_the_password("management").post(ENTER, {"code": app.code()}).status_code == 302


def test_the_owner_learns_of_wrong_codes_after_a_right_password_once_a_day(world: World, phone: Any) -> None:
    app, browser = phone("management"), after_the_password("management")

    def told() -> int:
        kept = {"address": "management@epic.example", "is_address_confirmed": True}  # whatever happens to the account
        return Mail.objects.filter(user=world.users["management"], kind="codes_refused", **kept).count()

    for number in range(1, 12):
        devices = AuthenticatorApp.objects.filter(user=app.user)
        devices.update(throttling_failure_timestamp=timezone.now() - timedelta(hours=1))  # the pauses are over
        browser.post(ENTER, {"code": app.wrong_code()})
        assert told() == (number >= 5)
    app.wait()
    for _ in range(5):
        AuthenticatorApp.objects.update(throttling_failure_timestamp=timezone.now() - timedelta(hours=1))
        log_in_with(app.wrong_code())
    assert told() == 1


def log_in_with(code: str) -> None:
    body = {"username": "management", "password": PASSWORD, "otp": code}
    assert Caller().post(API + "users/login/", body).json()["code"] == "otp_invalid"


@pytest.mark.parametrize(
    "code",
    ["", " ", "12345", "1234567", "١٢٣٤٥٦", "-12345", "+12345", "1e1000", "12_345", "\x00", "a\x00b", "x" * 41, "x" * 100_000, "é" * 16, "1" * 16,
     "AAAA AAAA AAAA AAA!", "None", "' OR 1=1 --", "\ud800"],
)  # fmt: skip
def test_what_is_no_code_is_refused_in_a_sentence_and_counts_as_no_try(code: str, world: World, phone: Any) -> None:
    app, browser = phone("management"), after_the_password("management")
    if code == "\ud800":
        page = browser.generic("POST", ENTER, b"code=%ED%A0%80", content_type="application/x-www-form-urlencoded")
    else:
        page = browser.post(ENTER, {"code": code})
    assert page.status_code == 200
    assert b'class="errorlist"' in page.content
    assert app.device.throttling_failure_count == 0
    assert browser.post(ENTER, {"code": f" {app.code()[:3]} {app.code()[3:]} "}).status_code == 302


@pytest.mark.parametrize(
    "aim",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "\x00", "http:///x", ""],
)
def test_one_goes_on_to_local_pages_only(aim: str, world: World, phone: Any) -> None:
    app, browser = phone("management"), after_the_password("management")
    assert browser.post(ENTER, {"code": app.code(), "next": aim}).url == ADMIN
    assert browser.get(ENTER, {"next": aim}).url == ADMIN
    assert aim.encode() not in browser.get(SET_UP, {"next": aim}).content or len(aim) < 2


def test_a_page_that_is_not_ones_step_leads_on_and_never_in_circles(mode: str, world: World, phone: Any) -> None:
    app, browser = phone("management"), after_the_password("management")
    browser.post(ENTER, {"code": app.code()})
    for page in (
        ENTER,
        f"{ENTER}?next={ENTER}",
        f"{ENTER}?next={ENTER}%3Fnext%3D{ENTER}",
        f"{ADMIN}login/?next={ENTER}",
    ):
        assert browser.get(page, follow=True).status_code == 200, page
    assert after_the_password("auditor").get(MANAGE, follow=True).status_code == 200


@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_of_two_requests_with_one_code_one_gets_in(kind: str, committed_world: World) -> None:
    app = give_phone(committed_world.users["management"])
    code = app.code() if kind == "app" else app.codes[0]
    browsers = [after_the_password("management") for _ in range(4)]
    answers: list[int] = []
    together = threading.Barrier(len(browsers))

    def enter(browser: Visitor) -> None:
        together.wait()
        answers.append(browser.post(ENTER, {"code": code}).status_code)
        connection.close()

    threads = [threading.Thread(target=enter, args=[browser]) for browser in browsers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 200, 200, 302]
    assert sum(DEVICE_ID_SESSION_KEY in browser.session for browser in browsers) == 1
