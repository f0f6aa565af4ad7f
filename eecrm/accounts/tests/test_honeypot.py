"""`/admin/` can't be told from a stock admin site, lets nobody in, says nothing of the real one, and logs every try."""

import logging
import re
from pathlib import Path
from typing import Any
from unittest.mock import patch

import django
import pytest
from django.conf import settings
from django.contrib.admin import AdminSite
from django.test import Client, override_settings
from django.urls import path

from accounts.admin_login import honeypot
from accounts.tests.moved_clock import let_pass
from api.requests.wsgi_request import UTF8Request
from conftest import PASSWORD, Visitor, World

PATHS = (
    "/admin/", "/admin/login/", "/admin/login/?next=/admin/", "/admin/login/?next=//evil.example", "/admin/logout/", "/admin/password_change/",
    "/admin/password_change/done/", "/admin/jsi18n/", "/admin/autocomplete/?term=x", "/admin/r/1/1/", "/admin/auth/user/1/change/", "/admin/login", "/admin/%00/",
    "/admin/../../etc/passwd", "/admin/é/?q=%ff%00", "/admin/x" + "y" * 3000,
)  # fmt: skip
FORMS: tuple[dict[str, Any], ...] = (
    {}, {"username": "admin"}, {"username": "admin", "password": "guessed-password", "next": "/admin/auth/"}, {"username": "x" * 151, "password": "y"},
    {"username": "a\x00b", "password": "c\x00d"}, {"username": "<script>", "password": "p" * 5000}, {"username": ["a", "b"], "password": " "},
)  # fmt: skip
TOLD = ("Content-Type", "Location", "Cache-Control", "Vary", "Allow", "X-Frame-Options", "Content-Language")

# Django's own, with nothing of ours but its language: what a scanner meets at thousands of addresses.
STOCK = {
    "ROOT_URLCONF": type("Stock", (), {"urlpatterns": [path("admin/", AdminSite().urls)]}),
    "APPEND_SLASH": True,
    "TEMPLATES": [
        settings.TEMPLATES[0]
        | {"APP_DIRS": False, "DIRS": [Path(django.__file__).parent / "contrib" / "admin" / "templates"]}
    ],
}


def seen(browser: Client, method: str, address: str, form: Any = None, **options: Any) -> tuple[Any, ...]:
    response = getattr(browser, method)(address, form or {}, **options)
    cookies = {name: {key: morsel[key] for key in ("path", "max-age")} for name, morsel in response.cookies.items()}
    body = re.sub(r'value="\w{64}"', "", response.content.decode())
    return response.status_code, {name: response.get(name) for name in TOLD}, cookies, body


def same_as_stock(method: str, address: str, form: Any = None, *, strict: bool = False, **options: Any) -> None:
    with override_settings(**STOCK):
        stock = seen(Client(enforce_csrf_checks=strict), method, address, form, **options)
    with patch("django.test.client.WSGIRequest", UTF8Request):  # as it is served
        ours = seen(Client(enforce_csrf_checks=strict), method, address, form, **options)
    assert ours == stock, (method, address, form)


@pytest.mark.parametrize("address", (*PATHS, "/admin", "/admin?x=1"))
@pytest.mark.parametrize("method", ["get", "head", "post", "put", "delete", "options", "patch"])
@pytest.mark.parametrize("strict", [True, False], ids=["with CSRF checks", "without"])
def test_every_answer_is_that_of_a_stock_admin_site(address: str, method: str, strict: bool, db: None) -> None:
    same_as_stock(method, address, strict=strict)


@pytest.mark.parametrize("form", FORMS, ids=range(len(FORMS)))
def test_a_try_to_log_in_is_refused_as_a_stock_admin_site_refuses(form: dict[str, Any], db: None) -> None:
    same_as_stock("post", "/admin/login/?next=/admin/", form)
    same_as_stock("post", "/admin/login/", form, strict=True)


@pytest.mark.parametrize(
    "content_type",
    ["application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-8", "text/plain", "", "é", "a/b; x*=utf-8''a", "multipart/form-data; boundary=x"],
)  # fmt: skip
@pytest.mark.parametrize("strict", [True, False], ids=["with CSRF checks", "without"])
def test_whatever_type_a_try_has_is_taken_alike(content_type: str, strict: bool, db: None) -> None:
    same_as_stock("post", "/admin/login/", "username=a&password=b", strict=strict, content_type=content_type)


def test_a_body_that_is_too_large_is_refused_alike(db: None) -> None:
    same_as_stock("post", "/admin/login/", {"password": "x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)})
    same_as_stock("post", "/admin/login/", {"username": "a", "password": "x" * 1_000})
    many = {str(number): "" for number in range(1001)}
    same_as_stock("post", "/admin/login/", {"username": "a", "password": "b"} | many)


def test_the_page_is_djangos_and_says_nothing_of_ours() -> None:
    for response in (
        Client().get("/admin/", follow=True),
        Client().post("/admin/login/", {"username": "oc-manager", "password": "guess"}),
    ):
        page = response.content.decode()
        assert "<title>" in page and "Log in | Django site admin" in page
        assert "Django administration" in page
        assert settings.ADMIN_URL.strip("/") not in page
        assert "epic" not in page.lower()


def test_it_works_without_database_and_session() -> None:
    """This test has no database: a query would fail it."""
    browser = Client()
    browser.cookies[settings.SESSION_COOKIE_NAME] = "a-cookie-that-somebody-made-up-1"
    assert browser.get("/admin/").status_code == 302
    assert b"Please enter the correct" in browser.post("/admin/login/", {"username": "a", "password": "b"}).content
    assert settings.SESSION_COOKIE_NAME not in browser.get("/admin/login/").cookies


def test_the_right_password_lets_nobody_in_and_a_manager_is_nobody(world: World, visit: Any) -> None:
    page = Visitor().post("/admin/login/", {"username": "superuser", "password": PASSWORD})
    assert (page.status_code, settings.SESSION_COOKIE_NAME in page.cookies) == (200, False)
    assert b"Please enter the correct" in page.content
    manager = visit("management")
    assert b"management" not in manager.get("/admin/login/").content
    assert manager.get("/admin/").url == "/admin/login/?next=/admin/"
    assert manager.get("/hidden-admin/").status_code == 200, "visiting the decoy logged somebody out"


def test_what_the_real_site_has_to_say_is_not_said_here(world: World, visit: Any) -> None:
    manager = visit("management")
    let_pass(manager, used=3600)
    ended = manager.get("/hidden-admin/")
    assert b"logged out" not in manager.get("/admin/login/").content
    assert b"You were logged out" in manager.get(ended.url).content


@pytest.mark.parametrize("address", PATHS)
def test_every_visit_is_logged(address: str, events: Any) -> None:
    Client().get(address, headers={"User-Agent": "scanner/1"})
    assert events("tried", "user_agent") == ["malicious_direct_reference tried=visit user_agent=scanner/1"]


@pytest.mark.parametrize("strict", [True, False], ids=["without a CSRF token", "with"])
def test_a_try_is_logged_without_what_was_typed(strict: bool, events: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    Client(enforce_csrf_checks=strict).post("/admin/login/", {"username": "typed-name", "password": "typed-secret"})
    record = next(record for record in caplog.records if record.name == "eecrm.security")
    assert record.levelno == logging.CRITICAL
    assert "typed" not in "".join(str(vars(record)) for record in caplog.records if record.name.startswith("eecrm"))
    assert events("tried", "address") == ["malicious_direct_reference tried=login address=127.0.0.1"]


def test_a_try_takes_a_hash_and_a_flood_takes_few(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    monkeypatch.setattr(honeypot, "make_password", hashed.append)
    monkeypatch.setattr(honeypot, "_clock", honeypot._HashingClock())
    form = {"username": "a", "password": "b"}
    Client().post("/admin/login/", form)
    assert hashed == ["b"]
    monkeypatch.setattr(honeypot._clock, "due", float("inf"))  # as if the last one had been this very moment
    assert Client().post("/admin/login/", form).status_code == 200
    assert hashed == ["b"]


def test_no_robots_file_tells_where_to_look(db: None) -> None:
    response = Client().get("/robots.txt")
    assert response.status_code == 404
    assert b"admin" not in response.content
