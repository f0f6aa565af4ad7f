"""Pages of the second factor and of the own password that are sent twice: the second post gets the answer of the first."""

import re
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

import pytest
from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticToken

from access.database import acting_as_login_role
from accounts.models import AuthenticatorApp, Mail, RecoveryCodes
from accounts.tests.conftest import Phone, give_phone
from accounts.tests.test_second_factor import ADMIN, ENTER, MANAGE, SET_UP, after_the_password
from accounts.tests.test_second_factor_set_up import codes_of, first_code, scanned
from api.tests.test_at_once import alone, wait_for_a_blocked_statement
from conftest import PASSWORD, PATIENCE, Visitor, World

OWN_PASSWORD, CHOSEN = f"{ADMIN}password_change/", "seven quiet lanterns here"


class Page(NamedTuple):
    """A page of the account `management`, as it was shown, with all that its owner types in."""

    browser: Visitor
    path: str
    form: dict[str, str]


def once_of(page: Any) -> dict[str, str]:
    return {"once": re.findall(r'name="once" value="([0-9a-f]{32})"', page.content.decode())[0]}


def entered(world: World) -> tuple[Visitor, Phone]:
    app, browser = give_phone(world.users["management"]), after_the_password("management")
    assert browser.post(ENTER, {"code": app.code()}).status_code == 302
    app.wait()
    return browser, app


def setting_up(world: World) -> Page:
    browser = after_the_password("management")
    shown = browser.get(SET_UP)
    return Page(browser, SET_UP, first_code(scanned(shown, world)) | once_of(shown))


def replacing(world: World) -> Page:
    browser, app = entered(world)
    shown = browser.get(SET_UP)
    return Page(browser, SET_UP, first_code(scanned(shown, world)) | {"code": app.codes[0]} | once_of(shown))


def new_codes(world: World) -> Page:
    browser, app = entered(world)
    return Page(browser, MANAGE, {"action": "codes", "code": app.code()} | once_of(browser.get(MANAGE)))


def by_the_app(world: World) -> Page:
    app, browser = give_phone(world.users["management"]), after_the_password("management")
    return Page(browser, ENTER, {"code": app.code()} | once_of(browser.get(ENTER)))


def by_a_recovery_code(world: World) -> Page:
    app, browser = give_phone(world.users["management"]), after_the_password("management")
    return Page(browser, ENTER, {"code": app.codes[0]} | once_of(browser.get(ENTER)))


def removing(world: World) -> Page:
    browser, app = entered(world)
    return Page(browser, MANAGE, {"action": "remove", "code": app.code()} | once_of(browser.get(MANAGE)))


def choosing_a_password(world: World) -> Page:
    browser = after_the_password("management")
    token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(OWN_PASSWORD).content.decode())[0]
    form = {"old_password": PASSWORD, "new_password1": CHOSEN, "new_password2": CHOSEN, "csrfmiddlewaretoken": token}
    return Page(browser, OWN_PASSWORD, form)


def merged(*cookies: Any) -> Any:
    """The cookies of a browser that has got these, in this order."""
    jar = deepcopy(cookies[0])
    for later in cookies[1:]:
        jar.update(later)
    return jar


def sent_twice(page: Page, way: str, migrator: Any) -> list[Any]:
    """The answers to two posts of the page. The browser has the cookies of both answers afterwards."""
    old = deepcopy(page.browser.cookies)
    if way == "at once":
        migrator.autocommit = False
        with migrator.cursor() as cursor, ThreadPoolExecutor() as pool:
            cursor.execute("SELECT 1 FROM eecrm.accounts_user WHERE username = 'management' FOR NO KEY UPDATE")
            answers = []
            for number in (1, 2):
                browser = Visitor()
                browser.cookies = deepcopy(old)
                answers.append(pool.submit(alone(partial(browser.post, page.path, page.form))))
                wait_for_a_blocked_statement(cursor, number)
            migrator.commit()
            both = [answer.result(PATIENCE) for answer in answers]
        migrator.autocommit = True
    else:
        both = [page.browser.post(page.path, page.form)]
        if way == "with the old cookies":
            page.browser.cookies = deepcopy(old)
        both.append(page.browser.post(page.path, page.form))
    page.browser.cookies = merged(old, *(answer.cookies for answer in both))
    return both


WAYS = ["at once", "with the old cookies", "with the new cookies"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("show", [setting_up, replacing, new_codes])
def test_recovery_codes_are_shown_to_the_second_click_too(
    show: Any, way: str, committed_world: World, migrator: Any
) -> None:
    page = show(committed_world)
    first, second = map(codes_of, sent_twice(page, way, migrator))
    assert len(first) == 10 and first == second
    assert page.browser.get(ADMIN).status_code == 200
    assert list(Mail.objects.values_list("kind", flat=True).order_by("-pk")[:1]) == [
        {SET_UP: "factor_set_up" if show is setting_up else "factor_replaced", MANAGE: "recovery_codes"}[page.path]
    ]
    assert AuthenticatorApp.objects.count() == RecoveryCodes.objects.count() == 1
    assert StaticToken.objects.count() == 10
    assert after_the_password("management").post(ENTER, {"code": first[0]}).status_code == 302


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("show", [by_the_app, by_a_recovery_code])
def test_a_code_that_is_sent_twice_lets_in(show: Any, way: str, committed_world: World, migrator: Any) -> None:
    page = show(committed_world)
    assert [answer.status_code for answer in sent_twice(page, way, migrator)] == [302, 302]
    assert page.browser.get(ADMIN).status_code == 200


@pytest.mark.parametrize("way", ["at once", "with the old cookies"])
def test_an_app_that_is_removed_twice_is_no_error(
    way: str, committed_world: World, migrator: Any, settings: Any
) -> None:
    settings.SECOND_FACTOR = "optional"
    page = removing(committed_world)
    answers = sent_twice(page, way, migrator)
    assert answers[0].status_code == answers[1].status_code == 302
    assert page.browser.get(ADMIN).status_code == 200


@pytest.mark.parametrize("way", WAYS)
def test_a_password_that_is_sent_twice_changes_once(
    way: str, committed_world: World, migrator: Any, settings: Any
) -> None:
    settings.SECOND_FACTOR = "optional"
    page = choosing_a_password(committed_world)
    first, second = sent_twice(page, way, migrator)
    assert first.url == f"{OWN_PASSWORD}done/"
    assert second.status_code == 302
    assert page.browser.get(first.url).status_code == 200
    assert page.browser.post(OWN_PASSWORD, page.form | {"csrfmiddlewaretoken": "another"}).status_code == 200


def test_the_old_key_of_a_session_opens_nothing(world: World) -> None:
    page = by_the_app(world)
    old = deepcopy(page.browser.cookies)
    assert page.browser.post(page.path, page.form).status_code == 302
    thief = Visitor()
    thief.cookies = old
    for form in ({"once": "0" * 32}, {"code": "000000"}, {"once": ""}):
        assert "/login/" in thief.post(page.path, page.form | form).url
    for path in (ADMIN, ENTER, SET_UP, MANAGE):
        assert "/login/" in thief.get(path).url
    assert thief.post(f"{ADMIN}login/", {"username": "other_management", "password": PASSWORD}).status_code == 302
    assert thief.session.get_expiry_age() > 60
    assert not {"answered", "resumed"} & set(thief.session.keys())


def test_codes_of_another_form_or_of_a_minute_ago_are_not_shown_again(world: World, migrator: Any) -> None:
    page = new_codes(world)
    codes = codes_of(page.browser.post(page.path, page.form))
    assert codes_of(page.browser.post(page.path, page.form)) == codes
    for other in ({"once": "0" * 32}, {"code": "000000"}):
        assert not codes_of(page.browser.post(page.path, page.form | other))
    with acting_as_login_role():
        RecoveryCodes.objects.update(created_at=timezone.now() - timedelta(seconds=61))
    assert not codes_of(page.browser.post(page.path, page.form))
