"""A server that takes no changes: a standby, a demoted primary, one that an operator has closed. Real ones, over HTTP."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.db import DatabaseError, connection

from access.refusals import READ_ONLY, refusal_of
from access.tests.paths import below, body_of
from access.tests.standby import Standby, standby
from access.tests.test_routes import DECOY, GUARDED, PUBLIC, filled
from accounts.admin_login.session_store import SessionStore
from accounts.login import tokens
from accounts.tests.moved_clock import as_if
from accounts.tests.test_admin_routes import pages as pages_of_the_site
from api.tests import serving
from config.environment import ROOT
from conftest import API, PASSWORD, PATIENCE, World

SITE = "/hidden-admin/"


class Answer(NamedTuple):
    status: int
    headers: Any
    content: bytes


class Client:
    """One account's, at a server of one process."""

    def __init__(self, world: World) -> None:
        self.port, self.world, pair = serving.free_port(), world, tokens.log_in(world.users["management"])
        self.access, self.refresh = pair.access, pair.refresh

    def send(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Answer:
        line = HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = (
            {"Authorization": f"Bearer {self.access}"} if path.startswith(API) and "users/login" not in path else {}
        )
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        try:
            line.request(method, path, text, headers | {"Content-Type": kind})
            answer = line.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            line.close()

    def writes(self) -> Iterator[tuple[str, Answer]]:
        own = self.world.own_client
        yield "log in", self.send("POST", f"{API}users/login/", {"username": "sales", "password": PASSWORD})
        yield "refresh", self.send("POST", f"{API}users/refresh/", {"refresh": self.refresh})
        yield "log out", self.send("POST", f"{API}users/logout/", {"refresh": self.refresh})
        yield "POST", self.send("POST", below(own), body_of("contract", self.world))
        yield "PATCH", self.send("PATCH", f"{API}clients/{own.pk}/", {"first_name": "Another"})
        yield "DELETE", self.send("DELETE", f"{API}contracts/{self.world.other_draft.pk}/")


class Browser:
    """A manager's, with its cookies."""

    def __init__(self, port: int) -> None:
        self.site = f"http://127.0.0.1:{port}"
        self.cookies = CookieJar()
        self.opener = build_opener(HTTPCookieProcessor(self.cookies))

    def get(self, path: str) -> Answer:
        return self._open(path)

    def send(self, path: str, form: dict[str, str], page: str = "") -> Answer:
        """The form of this page, which carries the token against forgery."""
        token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page or self.get(path).content.decode())[0]
        return self._open(path, urlencode(form | {"csrfmiddlewaretoken": token}).encode())

    def log_in(self) -> Answer:
        return self.send(f"{SITE}login/?next={SITE}", {"username": "management", "password": PASSWORD})

    def _open(self, path: str, body: bytes | None = None) -> Answer:
        try:
            with self.opener.open(Request(self.site + path, body), timeout=20) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def cookie(self, name: str) -> Any:
        return next((cookie for cookie in self.cookies if cookie.name == name), None)

    def let_pass(self, *, started: float, used: float) -> None:
        """Say that the session is so many seconds old, and was last used so many seconds ago."""
        session = SessionStore(self.cookie(settings.SESSION_COOKIE_NAME).value)
        self.cookie(settings.LAST_USE_COOKIE_NAME).value = as_if(session, started=started, used=used)


def pages(inside: Browser, world: World, form: str) -> Iterator[tuple[str, Answer]]:
    """`inside` has logged in, and opened a form, while the database took changes."""
    yield "log in at the site", Browser(int(inside.site.rpartition(":")[2])).log_in()
    deletion = f"{SITE}contracts/contract/{world.other_draft.pk}/delete/"
    confirmation = inside.get(deletion).content.decode()
    hidden = dict(re.findall(r'name="(post|shown|page_version)" value="([^"]*)"', confirmation))
    yield "delete", inside.send(deletion, hidden, confirmation)
    yield "log out at the site", inside.send(f"{SITE}logout/", {}, form)


def assert_told(name: str, answer: Answer) -> None:
    assert answer.status == 503, f"{name}: {answer.status} {answer.content!r}"
    assert answer.headers["Retry-After"] == "1", name
    if answer.headers["Content-Type"] == "application/problem+json":
        told = json.loads(answer.content)
        assert (told["code"], told["detail"]) == (READ_ONLY.code, READ_ONLY.sentence), name
    else:
        assert READ_ONLY.sentence in answer.content.decode(), name


def assert_is_ready_again(client: Client) -> None:
    """Its last verdict counts for a moment (api.health)."""
    deadline = time.monotonic() + PATIENCE
    while (answer := client.send("GET", "/health/ready/")).status != 200:
        assert_told("readiness", answer)
        assert time.monotonic() < deadline, "it has kept its connection"
        time.sleep(0.1)


@contextmanager
def closed_to_changes() -> Iterator[None]:
    """As by an operator, for every new connection."""
    name = connection.settings_dict["NAME"]
    with serving_administrator() as administrator:
        administrator.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        try:
            serving.end_connections()
            yield
        finally:
            administrator.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")


@contextmanager
def serving_administrator() -> Iterator[Any]:
    with through(USER=os.environ["PG_ADMIN_USER"], PASSWORD=os.environ["PG_ADMIN_PASSWORD"]) as wrapper:
        with wrapper.cursor() as cursor:
            yield cursor


@contextmanager
def through(**parameters: Any) -> Iterator[Any]:
    wrapper = connection.copy()
    wrapper.settings_dict = connection.settings_dict | parameters
    try:
        yield wrapper
    finally:
        wrapper.close()


@pytest.fixture
def client(committed_world: World) -> Client:
    return Client(committed_world)


def test_a_database_that_is_closed_to_changes_is_told_and_left_at_once(client: Client, tmp_path: Path) -> None:
    inside = Browser(client.port)
    with serving.api(tmp_path, client.port, WEB_CONCURRENCY="1"):
        assert inside.log_in().status == 200
        form = inside.get(f"{SITE}clients/client/{client.world.own_client.pk}/change/").content.decode()
        inside.let_pass(started=3600, used=1200)
        with closed_to_changes():
            for name, answer in (*client.writes(), *pages(inside, client.world, form)):
                assert_told(name, answer)
            assert_told("readiness", client.send("GET", "/health/ready/"))
            assert client.send("GET", "/health/live/").status == 200
            assert client.send("GET", f"{API}clients/").status == 200, "what changes nothing goes on"
        # The process is the same. Had it kept its connection, it would be read-only for ten minutes.
        assert_is_ready_again(client)
        assert client.send("POST", below(client.world.own_client), body_of("contract", client.world)).status == 201
    assert '"level":"error"' not in (tmp_path / "gunicorn.log").read_text()


def test_whatever_can_be_read_is_read_at_a_database_that_is_closed_to_changes(client: Client, tmp_path: Path) -> None:
    """Each page of the site and each GET of the API answers as before, an hour after the login."""
    inside, routes = Browser(client.port), (PUBLIC | GUARDED | DECOY).items()
    site = [SITE + page for page in (*pages_of_the_site(client.world), "login/", "jsi18n/", "accounts/", "email/")]
    api = [filled(path, client.world) for path, methods in routes if "GET" in methods and path != "health/ready/"]

    def read_all() -> dict[str, int]:
        return {path: inside.get(path).status for path in site} | {
            path: client.send("GET", path).status for path in api
        }

    with serving.api(tmp_path, client.port, WEB_CONCURRENCY="1"):
        assert inside.log_in().status == 200
        inside.let_pass(started=3600, used=1200)
        before = read_all()
        assert list(before.values()).count(200) > 100
        inside.let_pass(started=3600, used=1200)
        with closed_to_changes():
            assert read_all() == before


def test_a_session_ends_at_a_read_only_database_too(client: Client, tmp_path: Path) -> None:
    idle, old, leaver, thief = (Browser(client.port) for _ in range(4))
    with serving.api(tmp_path, client.port, WEB_CONCURRENCY="1"):
        for browser in (idle, old, leaver):
            assert browser.log_in().status == 200
        idle.let_pass(started=3600, used=1801)
        old.let_pass(started=8 * 3600 + 1, used=60)
        form = leaver.get(f"{SITE}password_change/").content.decode()
        for cookie in leaver.cookies:
            thief.cookies.set_cookie(cookie)
        with closed_to_changes():
            for browser in (idle, old):
                for _ in range(2):
                    login = browser.get(SITE)
                    assert (login.status, b"Log in" in login.content) == (200, True)
                assert browser.cookie(settings.SESSION_COOKIE_NAME) is None
            gone = leaver.send(f"{SITE}logout/", {}, form)
            assert_told("log out", gone)
            assert b"You are logged out in this browser. Your session itself isn't ended: a copy" in gone.content
            names = (settings.SESSION_COOKIE_NAME, settings.LAST_USE_COOKIE_NAME)
            assert [leaver.cookie(name) for name in names] == [None, None]
            assert b'name="password"' in leaver.get(SITE).content
            assert b'name="password"' not in thief.get(SITE).content, "as it was told"
        end = re.search(rb"until (\S+ \S+) (CEST|CET) at the latest", gone.content)
        assert end
        paris = ZoneInfo(settings.STAFF_TIME_ZONE)
        left = datetime.strptime(end[1].decode(), "%Y-%m-%d %H:%M").replace(tzinfo=paris) - datetime.now(UTC)
        assert timedelta(hours=7, minutes=55) < left <= timedelta(hours=8)


def test_a_worker_at_a_read_only_database_goes_on_with_the_next_job(client: Client, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "eecrm" / "manage.py"), "run_worker", "--once"]
    environment = os.environ | {"PG_DATABASE": connection.settings_dict["NAME"], "EECRM_HOME": str(tmp_path)}
    with closed_to_changes():
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    lines = [json.loads(line) for line in told.stderr.splitlines() if line.startswith("{")]
    failed = [line for line in lines if line["message"] == "worker_job_failed"]
    assert len(failed) >= 3
    assert {(line["sqlstate"], line["reason"]) for line in failed} == {("25006", "read_only")}
    assert "Traceback" not in told.stderr


@pytest.fixture
def follower(client: Client) -> Iterator[Standby]:
    with standby() as follower:
        yield follower


def test_a_standby_is_told_and_left_for_the_primary(client: Client, follower: Standby, tmp_path: Path) -> None:
    with serving.api(tmp_path, client.port, WEB_CONCURRENCY="1", PG_PORT=str(follower.port)):
        for name, answer in (
            *client.writes(),
            ("site", Browser(client.port).log_in()),
            ("sync/", client.send("GET", f"{API}sync/")),
        ):
            assert_told(name, answer)
        assert_told("readiness", client.send("GET", "/health/ready/"))
        assert client.send("GET", f"{API}clients/").status == 200, "what changes nothing goes on"
        follower.promote()
        assert_is_ready_again(client)
        assert client.send("POST", below(client.world.own_client), body_of("contract", client.world)).status == 201
    assert '"level":"error"' not in (tmp_path / "gunicorn.log").read_text()


def test_of_several_hosts_the_one_that_takes_changes_is_served(
    client: Client, follower: Standby, tmp_path: Path
) -> None:
    primary = connection.settings_dict["PORT"]
    hosts, ports = "127.0.0.1,127.0.0.1,127.0.0.1", f"{serving.free_port()},{follower.port},{primary}"
    with serving.api(tmp_path, client.port, WEB_CONCURRENCY="1", PG_HOST=hosts, PG_PORT=ports):
        assert client.send("GET", "/health/ready/").status == 200
        assert client.send("POST", below(client.world.own_client), body_of("contract", client.world)).status == 201
    with through(HOST="127.0.0.1", PORT=str(follower.port), OPTIONS={"target_session_attrs": "read-write"}) as alone:
        with pytest.raises(DatabaseError) as caught:
            alone.ensure_connection()
    assert refusal_of(caught.value) == READ_ONLY
