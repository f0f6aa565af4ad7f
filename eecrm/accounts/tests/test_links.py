"""People choose their own password by a link that works once, and nobody learns who has an account."""

import html
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from django.test import Client as Browser

from access.database import acting_as
from access.policy import Role
from accounts.addresses import links as address_links
from accounts.login import tokens
from accounts.models import AddressChange, LinkRequest, Mail, TokenSession, User, normalise_username
from accounts.passwords import links
from accounts.tests.people import move, newcomer, sent
from audit.models import Entry
from conftest import API, CAST, PASSWORD, Caller, Visitor, World

FORGOTTEN, SENT, DONE = "/account/forgotten/", "/account/forgotten/sent/", "/account/password/done/"
GOOD = "seven quiet lanterns"
LINKS = {"invitation": links.INVITATION, "reset": links.PASSWORD_RESET}


def account(name: str) -> User:
    return User.objects.defer(None).get(username=name)


def invited(like: User) -> str:
    """The username of somebody new in the same role: an invitation opens no account that is in use."""
    return newcomer(f"new_{like.username}", role=like.role, is_superuser=like.is_superuser).username


def link_for(name: str, kind: str = "reset") -> str:
    return LINKS[kind].url(account(name)).removeprefix("http://127.0.0.1:8000")


def choose(link: str, first: str = GOOD, again: str | None = None) -> Any:
    """Follow the link as a browser does, and send the form of the page where it ends."""
    browser = Visitor()
    landed = browser.get(link)
    page = landed.url if landed.status_code == 302 else link
    return browser.post(page, {"new_password1": first, "new_password2": first if again is None else again})


def can_log_in(name: str, password: str) -> bool:
    return Caller().post(API + "users/login/", {"username": name, "password": password}).status_code == 200


def is_dead(link: str) -> bool:
    page = Visitor().get(link)
    return page.status_code == 404 and "This link doesn’t work" in page.content.decode().replace("'", "’")


@pytest.mark.parametrize("kind", LINKS)
@pytest.mark.parametrize("name", [*CAST, "superuser"])
def test_somebody_of_any_role_chooses_a_password(name: str, kind: str, world: World) -> None:
    sessions = tokens.log_in(world.users[name])
    whose = invited(world.users[name]) if kind == "invitation" else name
    page = choose(link_for(whose, kind))
    assert (page.status_code, page.url) == (302, DONE)
    assert Visitor().get(DONE).status_code == 200
    assert can_log_in(whose, GOOD)
    assert not can_log_in(whose, PASSWORD)
    me = Caller(HTTP_AUTHORIZATION=f"Bearer {sessions.access}").get(API + "users/me/")
    assert me.status_code == (401 if kind == "reset" else 200)
    assert TokenSession.objects.open().filter(user__username=whose).count() == 1  # that of can_log_in


def test_a_link_leaves_the_address_at_once_and_the_page_keeps_no_copy(world: World) -> None:
    link = link_for("sales")
    browser = Visitor()
    first = browser.get(link)
    token = link.split("/")[-2]
    assert first.status_code == 302
    assert token not in first.url
    cookie = first.cookies["eecrm_link"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["max-age"]) == (True, "Lax", first.url, "")
    page = browser.get(first.url)
    assert token not in page.content.decode()
    assert (page["Cache-Control"], page["Referrer-Policy"]) == (
        "max-age=0, no-cache, no-store, must-revalidate, private",
        "same-origin",
    )
    assert "eecrm_session" not in browser.cookies
    assert browser.post(first.url, {"new_password1": GOOD, "new_password2": GOOD}).cookies["eecrm_link"]["max-age"] == 0


@pytest.mark.parametrize("secure", [True, False])
def test_over_https_the_cookie_of_a_link_stays_there(secure: bool, world: World) -> None:
    assert bool(Visitor().get(link_for("sales"), secure=secure).cookies["eecrm_link"]["secure"]) == secure


def test_the_pages_are_strict_and_nobody_caches_or_scripts_them(world: World) -> None:
    browser = Visitor()
    for path in (FORGOTTEN, SENT, DONE, "/account/password/x/y/", browser.get(link_for("sales")).url):
        page = browser.get(path)
        content = page.content.decode()
        assert "default-src 'none'" in page["Content-Security-Policy"]
        assert "unsafe-inline" not in page["Content-Security-Policy"]
        assert "<script" not in content and " style=" not in content and "<style" not in content
        assert "hidden-admin" not in content and "admin" not in page.headers.get("Set-Cookie", "")
        assert 'lang="en-GB"' in content and "<h1>" in content and "viewport" in content


def test_the_form_suits_password_managers(world: World) -> None:
    browser = Visitor()
    content = browser.get(browser.get(link_for("sales")).url).content.decode()
    assert content.count('autocomplete="new-password"') == 2
    assert 'value="sales" autocomplete="username"' in content
    assert "maxlength" not in content  # which would cut a pasted password short


def test_the_second_click_says_that_the_first_may_have_worked(world: World) -> None:
    """It is sent with the cookies of the first one, and the browser shows its answer alone."""
    first, second = Visitor(), Visitor()
    page = first.get(link_for("sales")).url
    second.cookies.load(first.cookies.output(header="", sep=";"))
    form = {"new_password1": GOOD, "new_password2": GOOD}
    assert first.post(page, form).url == DONE
    answer = second.post(page, form)
    assert answer.status_code == 404
    assert "Then your password may be set: try to log in with it." in answer.content.decode()


def move_away(link: str) -> None:
    move("sales", "elsewhere@epic.example")


def use(link: str) -> None:
    assert choose(link).status_code == 302


def change(**fields: Any) -> Callable[[str], None]:
    def run(link: str) -> None:
        with acting_as(Role.SUPERUSER):
            User.objects.filter(username="sales").update(**fields)

    return run


ENDS = {
    "used once": use,
    "another password": change(password="argon2$another"),
    "a password that works no more": change(password="!"),
    "deactivated": change(is_active=False),
    "another address": move_away,
}


@pytest.mark.parametrize("end", ENDS.values(), ids=list(ENDS))
def test_a_link_ends(end: Callable[[str], None], world: World) -> None:
    link = link_for("sales")
    assert not is_dead(link)
    end(link)
    assert is_dead(link)
    before = account("sales").password
    assert choose(link, "another quiet lantern").status_code == 404
    assert account("sales").password == before


def test_logins_end_no_link(world: World) -> None:
    """A thief who knows the password could keep the owner out with them."""
    link = link_for("sales")
    for _ in range(3):
        assert can_log_in("sales", PASSWORD)
    assert Visitor().post("/hidden-admin/login/", {"username": "sales", "password": PASSWORD}).status_code == 200
    assert choose(link).status_code == 302
    assert can_log_in("sales", GOOD) and not can_log_in("sales", PASSWORD)


@pytest.mark.parametrize(("kind", "lifetime"), [("invitation", timedelta(days=7)), ("reset", timedelta(hours=1))])
def test_a_link_ends_after_its_time(
    kind: str, lifetime: timedelta, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, now = link_for(invited(world.users["sales"]) if kind == "invitation" else "sales", kind), datetime.now()
    monkeypatch.setattr(links.OneTimeLink, "_now", lambda self: now + lifetime - timedelta(seconds=5))
    assert not is_dead(link)
    monkeypatch.setattr(links.OneTimeLink, "_now", lambda self: now + lifetime + timedelta(seconds=5))
    assert is_dead(link)
    monkeypatch.setattr(links.OneTimeLink, "_now", lambda self: now - timedelta(seconds=20))
    assert not is_dead(link), "made by a server whose clock is a little ahead"
    monkeypatch.setattr(links.OneTimeLink, "_now", lambda self: now - timedelta(seconds=60))
    assert is_dead(link), "made in the future"


@pytest.mark.parametrize("way", ["api", "site"])
def test_who_knows_the_password_ends_no_more_than_a_few_links(way: str, world: World, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"own_password_change": (2, 86_400)}
    name, known = "management", [PASSWORD, *(f"{GOOD} {number}" for number in range(3))]

    def change(old: str, new: str) -> int:
        if way == "api":
            thief = Caller.as_user(account(name))
            return thief.post(API + "users/me/password/", {"old_password": old, "new_password": new}).status_code
        browser = Visitor()
        browser.force_login(account(name))
        form = {"old_password": old, "new_password1": new, "new_password2": new}
        return int(browser.post("/hidden-admin/password_change/", form).status_code)

    assert change(known[0], "short") in (400, 200), "which counts nothing"
    assert [change(*known[place : place + 2]) for place in range(2)] == ([204, 204] if way == "api" else [302, 302])
    link = link_for(name)
    assert change(known[2], known[3]) == (429 if way == "api" else 200)
    assert choose(link).status_code == 302
    assert can_log_in(name, GOOD)


@pytest.mark.parametrize("kind", LINKS)
def test_a_link_of_before_a_deactivation_is_dead_after_a_reactivation(kind: str, world: World) -> None:
    whose = invited(world.users["sales"]) if kind == "invitation" else "sales"
    link = link_for(whose, kind)
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="sales").update(email="elsewhere@epic.example")
    assert AddressChange.objects.exists() and not is_dead(link)
    for is_active in (False, True):
        with acting_as(Role.SUPERUSER):
            User.objects.filter(username__in=["sales", whose]).update(is_active=is_active)
    assert not AddressChange.objects.exists() and is_dead(link)
    assert choose(link).status_code == 404
    assert can_log_in("sales", PASSWORD) and not is_dead(link_for("sales"))


def test_a_token_of_an_inactive_account_is_none(world: World) -> None:
    user = account("sales")
    token = links.PASSWORD_RESET.make_token(user)
    assert links.is_valid(user, token)
    user.is_active = False
    assert not links.is_valid(user, token)
    assert not links.is_valid(None, token) and not links.is_valid(user, None)


def test_a_token_of_one_purpose_is_none_of_the_other(world: World) -> None:
    link_for("sales", "invitation")
    user = account("sales")
    for own, other in ((links.INVITATION, links.PASSWORD_RESET), (links.PASSWORD_RESET, links.INVITATION)):
        assert own.check_token(user, own.make_token(user))
        assert not other.check_token(user, own.make_token(user))


def test_a_link_of_one_account_opens_no_other(world: World) -> None:
    theirs, mine = link_for("management"), link_for("sales")
    assert is_dead(f"/account/password/{theirs.split('/')[3]}/{mine.split('/')[4]}/")
    browser = Visitor()
    browser.get(mine)  # my token is in the cookie now
    page = Visitor().get(theirs).url
    assert browser.post(page, {"new_password1": GOOD, "new_password2": GOOD}).status_code == 404
    assert not can_log_in("management", GOOD)


@pytest.mark.parametrize(
    "link",
    [
        "x/y/", "MQ/set-password/", "MQ/c-0/", "%00/x-y/", "4pyT/a-b/", "LTE/a-b/", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5/a-b/",
        "MQ/" + "a" * 3000 + "-b/", "MQ/zzzzzzzzzzzzzzzzz-b/", "MQ/%F0%9F%92%A9-b/", "A" * 6000 + "/a-b/",
    ],
)  # fmt: skip
def test_a_made_up_link_is_the_same_page(link: str, world: World) -> None:
    assert is_dead("/account/password/" + link)
    form = {"new_password1": GOOD, "new_password2": GOOD}
    assert Visitor().post("/account/password/" + link, form).status_code == 404


@pytest.mark.parametrize(
    ("first", "again", "words"),
    [
        ("short", "short", "Use at least 12 characters"),
        (GOOD, GOOD + " ", "match"),
        ("password1234", "password1234", "too common"),
        ("é" * 600, "é" * 600, "at most 1,024 bytes"),
        ("", "", "required"),
        ("sales@epic.example", "sales@epic.example", "too similar"),
        ("a\x00" + GOOD, "a\x00" + GOOD, "Null characters"),
    ],
)
def test_a_password_that_will_not_do_is_told_and_the_link_goes_on(
    first: str, again: str, words: str, world: World
) -> None:
    link = link_for("sales")
    page = choose(link, first, again)
    assert (page.status_code, words in page.content.decode()) == (200, True), page.content.decode()
    assert not first or first not in page.content.decode()
    assert choose(link).status_code == 302


def test_edge_spaces_are_part_of_the_password(world: World) -> None:
    assert choose(link_for("sales"), f"  {GOOD} ").status_code == 302
    assert can_log_in("sales", f"  {GOOD} ")
    assert not can_log_in("sales", GOOD)


def test_the_forms_refuse_what_another_site_sends(world: World) -> None:
    browser = Browser(enforce_csrf_checks=True)
    assert browser.post(FORGOTTEN, {"account": "sales"}).status_code == 403
    page = browser.get(link_for("sales")).url
    assert browser.post(page, {"new_password1": GOOD, "new_password2": GOOD}).status_code == 403


# Forgotten


@pytest.fixture
def known_in_all_ways(world: World) -> World:
    with acting_as(Role.SUPERUSER):
        User.objects.filter(username="support").update(is_active=False)
    for name in ("management", "auditor"):
        move(name, "shared@epic.example")
    Mail.objects.all().delete()
    return world


@pytest.mark.parametrize(
    "typed",
    ["sales", "sales@epic.example", "SALES@epic.example", "support", "shared@epic.example", "nobody", "x@nowhere.example", "'; --", "é" * 254],
)  # fmt: skip
def test_whatever_is_typed_is_answered_alike_and_only_noted(
    typed: str, known_in_all_ways: World, django_assert_num_queries: Any
) -> None:
    Visitor().get(FORGOTTEN)  # with the first one a worker takes requests of the limit, by the dozen
    with django_assert_num_queries(6):  # a savepoint and its end, the limit, the origin, a row, the end of the role
        response = Visitor().post(FORGOTTEN, {"account": typed})
    assert (response.status_code, response.url, response.content) == (302, SENT, b"")
    assert response.cookies.keys() == {"eecrm_csrf"} or not response.cookies
    assert LinkRequest.objects.get().typed == typed.lower()
    assert not Mail.objects.exists()


def test_an_address_asks_for_so_many_links_and_no_more(world: World, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"forgotten": (3, 86_400)}
    for number in range(3):
        assert Visitor().post(FORGOTTEN, {"account": f"somebody{number}"}).url == SENT
    page = Visitor().post(FORGOTTEN, {"account": "sales"})
    assert page.status_code == 200
    assert "Too many links were asked for from your address: try again in 28" in page.content.decode()
    assert LinkRequest.objects.count() == 3
    assert Visitor(REMOTE_ADDR="192.0.2.9").post(FORGOTTEN, {"account": "sales"}).url == SENT


def test_one_who_asks_for_the_same_again_and_again_leaves_the_others_their_links(world: World, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"forgotten": (6, 86_400), "forgotten_same": (2, 86_400)}
    asked = [
        Visitor().post(FORGOTTEN, {"account": typed}).status_code for typed in ("sales", " SALES ", *["sales"] * 20)
    ]
    assert asked == [302] * 2 + [200] * 20
    assert Visitor().post(FORGOTTEN, {"account": "support"}).url == SENT
    assert Visitor(REMOTE_ADDR="192.0.2.9").post(FORGOTTEN, {"account": "sales"}).url == SENT
    with connection.cursor() as cursor:
        cursor.execute("SELECT bucket FROM api_limit WHERE bucket LIKE 'forgotten%'")
        assert not [bucket for (bucket,) in cursor.fetchall() if "sales" in bucket or "support" in bucket]


def test_asking_again_for_the_same_adds_no_row(world: World) -> None:
    for typed in ("sales", "SALES", " sales ", "sa\u200bles", "ｓａｌｅｓ"):
        assert Visitor().post(FORGOTTEN, {"account": typed}).url == SENT
    assert LinkRequest.objects.count() == 1


def test_a_request_that_concerns_no_account_leaves_nothing(world: World) -> None:
    def count() -> int:
        with acting_as(Role.AUDITOR):
            return Entry.objects.count()

    before = count()
    for number in range(5):
        assert Visitor().post(FORGOTTEN, {"account": f"nobody-{number}@stranger.example"}).url == SENT
    assert sent() == []
    assert count() == before
    assert not Mail.objects.exists()
    assert not LinkRequest.objects.exists()


def test_the_mail_that_a_request_brings_is_on_the_trail(world: World) -> None:
    assert Visitor().post(FORGOTTEN, {"account": "sales"}).url == SENT
    assert [message.to for message in sent()] == [["sales@epic.example"]]
    with acting_as(Role.AUDITOR):
        entries = Entry.objects.about(Mail.objects.get()).order_by("pk")
        assert [(entry.operation, entry.role) for entry in entries] == [
            ("insert", "eecrm_app"), ("update", "eecrm_app"),
        ]  # fmt: skip
        assert entries[0].new["user_id"] == world.users["sales"].pk and entries[1].new["sent_at"]


@pytest.mark.parametrize("typed", ["", "   ", "\u200b", "x" * 255, "a\x00b"])
def test_nothing_to_look_for_is_told(typed: str, world: World) -> None:
    page = Visitor().post(FORGOTTEN, {"account": typed})
    assert page.status_code == 200
    assert b'role="alert"' in page.content
    assert not LinkRequest.objects.exists()


def test_a_text_that_grows_when_it_is_normalised_is_no_500(world: World) -> None:
    assert Visitor().post(FORGOTTEN, {"account": "ﷺ" * 254}).status_code == 302


def test_an_outage_is_a_page_that_says_so(world: World) -> None:
    def fail(execute: Any, sql: str, params: Any, *rest: Any) -> Any:
        if "accounts_linkrequest" in sql:
            raise OperationalError("server closed the connection")
        return execute(sql, params, *rest)

    with connection.execute_wrapper(fail):
        page = Visitor().post(FORGOTTEN, {"account": "sales"})
    assert (page.status_code, page["Retry-After"]) == (503, "1")
    assert b"The database can't be reached" in page.content


@pytest.mark.parametrize("path", ["/account/forgotten/", "/hidden-admin/login/"])
def test_a_form_without_its_token_gets_a_page_of_ours(path: str, world: World) -> None:
    """Django's has styles of its own, which the content policy refuses."""
    answer = Browser(enforce_csrf_checks=True).post(
        path, {"account": "sales", "username": "sales", "password": PASSWORD}
    )
    body = answer.content.decode()
    assert (answer.status_code, "Send it once more" in body, "<style" in body) == (403, True, False)
    assert not Mail.objects.exists()
    assert "sales" not in body and PASSWORD not in body, "another site may have chosen it"


OWN = {"HTTP_ORIGIN": "http://testserver"}


@pytest.mark.parametrize("origin", [OWN, {"HTTP_SEC_FETCH_SITE": "same-origin"}])
def test_a_form_whose_page_was_too_old_is_kept_and_sent_once_more(origin: dict[str, str], world: World) -> None:
    browser = Browser(enforce_csrf_checks=True)
    typed = {"account": 'sales "&<b>', "csrfmiddlewaretoken": "x" * 64}
    page = browser.post(FORGOTTEN, typed, **origin)
    body = page.content.decode()
    assert (page.status_code, "This is what you typed" in body, "<b>" in body) == (403, True, False)
    assert "no-store" in page["Cache-Control"]
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', body))
    assert browser.post(FORGOTTEN, {name: html.unescape(value) for name, value in fields.items()}, **origin).url == SENT
    assert LinkRequest.objects.get().typed == normalise_username(typed["account"])


@pytest.mark.parametrize("origin", [{}, {"HTTP_ORIGIN": "null"}, {"HTTP_ORIGIN": "https://evil.example", "HTTP_SEC_FETCH_SITE": "same-origin"}, {"HTTP_SEC_FETCH_SITE": "cross-site"}])  # fmt: skip
def test_nothing_is_kept_of_a_form_of_another_site(origin: dict[str, str], world: World) -> None:
    page = Browser(enforce_csrf_checks=True).post(FORGOTTEN, {"account": "sales"}, **origin)
    assert (page.status_code, "sales" in page.content.decode()) == (403, False)


@pytest.mark.parametrize(
    ("path", "form", "kept", "asked"),
    [
        ("/hidden-admin/login/", {"username": "sales", "password": PASSWORD}, ["sales"], ["password"]),
        ("/hidden-admin/second-factor/", {"code": "123456"}, [], ["code"]),
        ("/account/password/MQ/set-password/", {"new_password1": GOOD, "new_password2": GOOD}, [], ["new_password1", "new_password2"]),
        ("/hidden-admin/clients/client/add/", {"last_name": "Öz", "notes": "a\nb", "postcode": "75001", "_save": "Save", "page_version": "v"}, ["Öz", "a\nb", "75001", "Save", "v"], []),
    ],
)  # fmt: skip
def test_a_kept_form_has_all_but_passwords_and_codes(
    path: str, form: dict[str, str], kept: list[str], asked: list[str], world: World
) -> None:
    body = Browser(enforce_csrf_checks=True).post(path, form, **OWN).content.decode()
    hidden = re.findall(r'<input type="hidden" name="(?!csrf)\w+" value="([^"]*)">', body)
    assert [html.unescape(value) for value in hidden] == kept
    assert re.findall(r'<input type="(?:text|password)" name="(\w+)"', body) == asked
    assert not [form[name] for name in asked if form[name] in body]
    assert "<dd>Save</dd>" not in body and "<dd>v</dd>" not in body


def test_a_file_is_asked_for_again(world: World) -> None:
    form = {"file": SimpleUploadedFile("people.csv", b"username"), "delimiter": ";"}
    body = Browser(enforce_csrf_checks=True).post("/hidden-admin/accounts/user/import/", form, **OWN).content.decode()
    assert 'enctype="multipart/form-data"' in body and 'type="file" name="file"' in body and "<dd>;</dd>" in body


# Links as mail programs mangle them

ENDS_OF_LINKS = [
    "", ">", "/>", ".", "/.", ")", "/)", ",", "/,", "]", "/]", " ", "/ ", "%20", "/%20", "%3E", "/%2520", "=3D", "/=", "=20", "&gt;", '/"', "/».",
    "/\u200b", "/\u00a0", ">/", ").,", "/'", "/;", "/*", "/…", "//",
]  # fmt: skip


@pytest.mark.parametrize("end", ENDS_OF_LINKS)
def test_a_link_with_a_mangled_end_leads_to_its_form(end: str, world: World) -> None:
    browser = Visitor()
    page = browser.get(link_for("sales").rstrip("/") + end, follow=True)
    assert (page.status_code, "Choose your password" in page.content.decode()) == (200, True)
    AddressChange.objects.create(user=account("sales"), address="new@epic.example")
    change = AddressChange.objects.get()
    link = address_links.context(change)["link"].removeprefix("http://127.0.0.1:8000")
    page = browser.get(link.rstrip("/") + end, follow=True)
    assert (page.status_code, "Confirm your email address" in page.content.decode()) == (200, True)
    assert browser.get(FORGOTTEN.rstrip("/") + end, follow=True).status_code == 200


@pytest.mark.parametrize(
    "path", ["foo", "password/", "password/MQ", "password/MQ/", "address/", "address/x>", "x" * 4000, ">" * 4000, "=3D" * 900]
)  # fmt: skip
def test_any_other_address_is_a_page_of_ours_with_a_new_link(path: str, world: World) -> None:
    page = Visitor().get(f"/account/{path}", follow=True)
    assert (page.status_code, f'href="{FORGOTTEN}"' in page.content.decode()) == (404, True)
    assert "doesn't work any more" in html.unescape(page.content.decode())


def test_a_link_that_was_copied_from_another_browser_says_what_to_do(world: World) -> None:
    link = link_for("sales")
    for browser in (Visitor(), Browser(enforce_csrf_checks=True)):
        page = browser.get(Visitor().get(link).url)
        body = html.unescape(page.content.decode())
        assert (page.status_code, "Open the link in your mail once more" in body, FORGOTTEN in body) == (
            404,
            True,
            True,
        )
    assert choose(link).status_code == 302, "the link itself goes on"


def test_the_decoy_refuses_it_as_a_stock_site_does(world: World) -> None:
    answer = Browser(enforce_csrf_checks=True).post("/admin/login/", {"username": "sales", "password": PASSWORD})
    assert (answer.status_code, "CSRF verification failed" in answer.content.decode()) == (403, True)
