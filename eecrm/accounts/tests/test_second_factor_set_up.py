"""Setting up an authenticator app from what the page shows, replacing it, its recovery codes, taking it away."""

import re
import time
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from django_otp.plugins.otp_static.models import StaticToken

from access.database import acting_as
from access.policy import Role
from accounts.admin_login import seeds
from accounts.models import AuthenticatorApp, Mail, User
from accounts.outbox.delivery import deliver
from accounts.tests.conftest import Phone
from accounts.tests.test_second_factor import ADMIN, ENTER, MANAGE, SET_UP, after_the_password
from conftest import API, PASSWORD, Caller, Visitor, World


def scanned(page: Any, world: World, name: str = "management") -> Phone:
    """An app that has typed in the secret of the page."""
    text = page.content.decode()
    secret, offer = re.findall(r'class="secret">([A-Z2-7 ]+)<|name="offer" value="([^"]+)"', text)
    return Phone(world.users[name], secret[0], offer[1])


def first_code(app: Phone, code: str = "", **more: str) -> dict[str, str]:
    """The form of the page on which the app was scanned."""
    return {"offer": app.offer, "new_code": code or app.code(), "password": PASSWORD} | more


def codes_of(page: Any) -> list[str]:
    return re.findall(r"<li><code>([A-Z2-7 ]{19})</code></li>", page.content.decode())


def set_up(world: World, name: str = "management") -> tuple[Visitor, Phone]:
    browser = after_the_password(name)
    app = scanned(browser.get(SET_UP), world, name)
    app.codes = codes_of(browser.post(SET_UP, first_code(app)))
    return browser, app


@pytest.mark.parametrize("mode", ["required", "optional"])
def test_a_first_app_is_set_up_from_the_shown_secret_alone(mode: str, world: World, settings: Any, events: Any) -> None:
    settings.SECOND_FACTOR = mode
    aim = f"{ADMIN}events/event/"
    browser = after_the_password("management")
    page = browser.get(f"{SET_UP}?next={aim}")
    app = scanned(page, world)
    events()
    shown = browser.post(SET_UP, first_code(app, next=aim))
    assert shown.status_code == 200
    assert len(codes_of(shown)) == 10
    assert f'href="{aim}"'.encode() in shown.content
    assert "no-store" in shown["Cache-Control"]
    assert events("factor") == ["authn_token_created factor=totp", "authn_token_created factor=recovery_code"]
    assert browser.get(aim).status_code == 200
    app.wait()
    assert after_the_password("management").post(ENTER, {"code": app.code()}).status_code == 302
    assert after_the_password("management").post(ENTER, {"code": codes_of(shown)[9]}).status_code == 302


def test_the_picture_says_what_the_text_says(world: World, settings: Any) -> None:
    settings.OTP_TOTP_ISSUER = "CRM & staging"
    page = after_the_password("management").get(SET_UP)
    picture = re.search(r'src="(data:image/svg\+xml[^"]+)"', page.content.decode())[1]  # type: ignore[index]
    assert unquote(picture).startswith("data:image/svg+xml;charset=utf-8,<svg")
    app = scanned(page, world)
    address = AuthenticatorApp(user=app.user, key=seeds.encrypt_seed(app.key)).config_url
    assert address.startswith("otpauth://totp/CRM%20%26%20staging%3Amanagement?secret=")
    assert address.endswith("&issuer=CRM%20%26%20staging")
    secret = re.search(r'class="secret">([A-Z2-7 ]+)<', page.content.decode())[1]  # type: ignore[index]
    assert f"secret={secret.replace(' ', '')}&" in address
    assert len(secret.replace(" ", "")) == 32


@pytest.mark.parametrize("page", [ENTER, SET_UP, MANAGE, "codes"])
def test_the_pages_need_nothing_that_the_content_policy_forbids(page: str, world: World) -> None:
    if page == ENTER:
        set_up(world)
        content = after_the_password("management").get(ENTER)
    elif page == "codes":
        browser = after_the_password("management")
        content = browser.post(SET_UP, first_code(scanned(browser.get(SET_UP), world)))
    else:
        content = set_up(world)[0].get(page)
    text = content.content.decode()
    assert content.status_code == 200
    assert "script-src 'self'; style-src 'self'" in content["Content-Security-Policy"]
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", text)


def test_a_secret_is_new_each_time_and_stored_nowhere_before_its_first_code(world: World) -> None:
    browser = after_the_password("management")
    first, second = (scanned(browser.get(SET_UP), world) for _ in range(2))
    assert first.key != second.key
    assert not AuthenticatorApp.objects.exists()
    assert b"This code isn&#x27;t right" in browser.post(SET_UP, first_code(first, second.code())).content
    again = browser.post(SET_UP, first_code(second, second.wrong_code()))
    assert scanned(again, world).key == second.key, "a wrong code must not cost another scan"
    assert not AuthenticatorApp.objects.exists()
    assert codes_of(browser.post(SET_UP, first_code(second)))
    assert b"done in another window" in browser.post(SET_UP, first_code(first), follow=True).content
    assert AuthenticatorApp.objects.get().bin_key == second.key


@pytest.mark.parametrize("steps", [-120, -2, 2, 120])
def test_a_wrong_clock_is_told_while_the_secret_is_still_shown(steps: int, world: World) -> None:
    browser = after_the_password("management")
    app = scanned(browser.get(SET_UP), world)
    assert (
        b"let the phone set its clock by itself" in browser.post(SET_UP, first_code(app, app.code(steps=steps))).content
    )
    assert codes_of(browser.post(SET_UP, first_code(app, f"{app.code()[:3]}\u200b–{app.code()[3:]}")))


def test_a_secret_that_was_not_confirmed_in_time_is_worth_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = after_the_password("management")
    app = scanned(browser.get(SET_UP), world)
    later = time.time() + 16 * 60
    with monkeypatch.context() as clock:
        clock.setattr("cryptography.fernet.time.time", lambda: later)
        answer = browser.post(SET_UP, first_code(app), follow=True)
    assert b"This set-up was too old" in answer.content
    assert scanned(answer, world).key != app.key
    assert not AuthenticatorApp.objects.exists()


@pytest.mark.parametrize("offer", ["", "x", "gAAAAAB", "é", "\x00", "a" * 100_000, "theirs", "seed"])
def test_a_made_up_offer_sets_nothing_up(offer: str, world: World) -> None:
    browser, mine = after_the_password("management"), after_the_password("auditor")
    app = scanned(browser.get(SET_UP), world)
    if offer == "theirs":
        offer = app.offer
        browser = mine
    elif offer == "seed":  # as a database that was read has it
        offer = seeds.encrypt_seed(app.key)
    answer = browser.post(SET_UP, {"offer": offer, "new_code": app.code(), "password": PASSWORD})
    assert (answer.status_code, answer.url) == (302, SET_UP)
    assert not AuthenticatorApp.objects.exists()


def test_an_unconfirmed_app_opens_nothing(world: World, settings: Any) -> None:
    settings.SECOND_FACTOR = "required"
    browser = after_the_password("management")
    app = scanned(browser.get(SET_UP), world)
    assert browser.post(ENTER, {"code": app.code()}).url == SET_UP
    assert browser.get(ADMIN).url.startswith(SET_UP)


def test_who_has_not_shown_the_second_factor_sets_up_no_other(world: World, phone: Any) -> None:
    app = phone("management")
    browser = after_the_password("management")
    for method in ("get", "post"):
        assert getattr(browser, method)(SET_UP, first_code(app)).url == ENTER
        assert getattr(browser, method)(MANAGE, {"code": app.code(), "action": "remove"}).url.startswith(ENTER)
    assert app.device.confirmed


def test_a_new_app_takes_the_place_of_the_old_one_after_a_code_of_it(world: World) -> None:
    browser, old = set_up(world)
    other = after_the_password("management")
    old.wait()
    other.post(ENTER, {"code": old.code()})
    new = scanned(browser.get(SET_UP), world)
    assert b"This field is required" in browser.post(SET_UP, first_code(new)).content
    new.wait()
    refused = browser.post(SET_UP, first_code(new) | {"code": old.wrong_code()})
    assert b"This code isn&#x27;t right" in refused.content
    assert old.device.confirmed, "the old app is gone before the new one is there"
    new.wait()
    codes = codes_of(browser.post(SET_UP, first_code(new) | {"code": old.codes[0]}))
    assert len(codes) == 10
    assert not set(codes) & set(old.codes)
    assert browser.get(ADMIN).status_code == 200
    assert b"changed or logged out everywhere" in other.get(ADMIN, follow=True).content, (
        "the other session was verified by the old app"
    )
    old.wait()
    for useless in (old.code(), old.codes[1]):
        assert after_the_password("management").post(ENTER, {"code": useless}).status_code == 200
        old.wait()
    assert after_the_password("management").post(ENTER, {"code": new.code()}).status_code == 302


def test_a_wrong_new_code_uses_up_no_old_one(world: World) -> None:
    browser, old = set_up(world)
    new = scanned(browser.get(SET_UP), world)
    browser.post(SET_UP, first_code(new, new.wrong_code()) | {"code": old.codes[0]})
    assert StaticToken.objects.count() == 10


def test_new_recovery_codes_take_a_code_and_end_the_old_ones(world: World) -> None:
    browser, app = set_up(world)
    assert b"haven't used: <strong>10</strong>" in browser.get(MANAGE).content
    assert browser.post(MANAGE, {"action": "codes"}).status_code == 200
    assert not codes_of(browser.post(MANAGE, {"action": "codes", "code": app.wrong_code()}))
    app.wait()
    codes = codes_of(browser.post(MANAGE, {"action": "codes", "code": app.code()}))
    assert len(codes) == 10
    assert after_the_password("management").post(ENTER, {"code": app.codes[0]}).status_code == 200
    app.wait()
    assert after_the_password("management").post(ENTER, {"code": codes[0]}).status_code == 302


def test_removing_it_takes_a_code_and_the_right_mode(world: World, settings: Any, events: Any) -> None:
    settings.SECOND_FACTOR = "required"
    browser, app = set_up(world)
    app.wait()
    assert b"This can&#x27;t be done." in browser.post(MANAGE, {"action": "remove", "code": app.code()}).content
    assert b'value="remove"' not in browser.get(MANAGE).content
    settings.SECOND_FACTOR = "optional"
    for form in (
        {},
        {"action": "explode", "code": app.code()},
        {"action": "remove"},
        {"action": "remove", "code": app.wrong_code()},
    ):
        assert browser.post(MANAGE, form).status_code == 200
        assert app.device.confirmed
    app.wait()
    events()
    assert browser.post(MANAGE, {"action": "remove", "code": app.code()}).url == ADMIN
    assert events("reason")[-1] == "authn_token_revoked reason=removed"
    assert not AuthenticatorApp.objects.exists() and not StaticToken.objects.exists()
    assert b"your password alone lets you in now" in browser.get(ADMIN).content


@pytest.mark.parametrize(
    "form", [{}, {"new_code": "\x00"}, {"new_code": "x" * 5000}, {"new_code": "１２３４５６"}, {"new_code": "-1"}]
)
def test_a_hostile_set_up_is_refused_in_a_sentence(form: dict[str, str], world: World) -> None:
    browser = after_the_password("management")
    app = scanned(browser.get(SET_UP), world)
    page = browser.post(SET_UP, {"offer": app.offer} | form)
    assert page.status_code == 200
    assert b'class="errorlist"' in page.content
    assert not AuthenticatorApp.objects.filter(confirmed=True).exists()


@pytest.mark.parametrize("password", ["", "wrong", "\x00", "x" * 2_000])
def test_a_stolen_session_sets_up_no_first_factor(password: str, world: World) -> None:
    browser = after_the_password("management")
    app = scanned(browser.get(SET_UP), world)
    page = browser.post(SET_UP, first_code(app, password=password))
    assert page.status_code == 200 and b'class="errorlist"' in page.content
    assert not AuthenticatorApp.objects.exists()


def test_removing_it_ends_every_other_login(world: World, settings: Any) -> None:
    settings.SECOND_FACTOR = "optional"
    browser, app = set_up(world)
    half_way, phone = after_the_password("management"), Caller.as_user(world.users["management"])
    browser.post(MANAGE, {"action": "remove", "code": app.codes[0]})
    assert not AuthenticatorApp.objects.exists()
    assert browser.get(ADMIN).status_code == 200
    assert half_way.get(ADMIN).status_code == 302
    assert phone.get(API + "users/me/").status_code == 401


def mailed(user: Any) -> list[str]:
    return list(Mail.objects.filter(user=user).order_by("pk").values_list("kind", flat=True))


def test_the_owner_learns_by_mail_of_each_change(world: World, mailoutbox: Any) -> None:
    owner = world.users["management"]
    browser, app = set_up(world)
    assert mailed(owner) == ["factor_set_up"]
    new = scanned(browser.get(SET_UP), world)
    app.wait()
    browser.post(SET_UP, first_code(new) | {"code": app.code()})
    new.wait()
    browser.post(MANAGE, {"action": "codes", "code": new.code()})
    new.wait()
    browser.post(MANAGE, {"action": "remove", "code": new.code()})
    assert mailed(owner) == ["factor_set_up", "factor_replaced", "recovery_codes", "factor_removed"]
    with acting_as(Role.SUPERUSER):  # a colleague who did it could try to hide it
        User.objects.filter(pk=owner.pk).update(is_active=False, email="")
    Mail.objects.exclude(kind__in=mailed(owner)[:4]).delete()
    while deliver(timedelta(minutes=1)):
        pass
    assert {sent.to[0] for sent in mailoutbox} == {"management@epic.example"}
    assert len({sent.subject for sent in mailoutbox}) == 4
    for sent in mailoutbox:
        assert "your account management in Epic Events CRM" in sent.body
        assert "/account/password/" not in sent.body, "news needs no link"
        assert not re.search(r"[A-Z2-7]{16}|secret=", sent.body)


def test_a_new_second_factor_ends_the_logins_that_have_not_shown_it(world: World) -> None:
    before = Caller.as_user(world.users["management"])
    colleague = Caller.as_user(world.users["other_management"])
    assert before.get(API + "users/me/").status_code == 200
    set_up(world)
    assert before.get(API + "users/me/").status_code == 401
    assert colleague.get(API + "users/me/").status_code == 200
