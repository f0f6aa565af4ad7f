"""A server that takes no changes: a standby, a demoted primary, one that an operator has closed. Real ones, over HTTP."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest
from django.db import DatabaseError, connection

from access.refusals import READ_ONLY, refusal_of
from access.tests.paths import below, body_of
from access.tests.standby import Standby, standby
from accounts.admin_login import session_limits
from accounts.admin_login.session_store import SessionStore
from accounts.login import tokens
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


def let_time_pass_for(visitor: Browser) -> None:
    """So that the next visit is one to be noted, which happens outside of any view."""
    (key,) = (cookie.value for cookie in visitor.cookies if cookie.name.endswith("session"))
    session = SessionStore(key)
    session[session_limits.LAST_SEEN] = int(time.time()) - 120
    session.save()


def pages(inside: Browser, world: World, form: str) -> Iterator[tuple[str, Answer]]:
    """`inside` has logged in, and opened a form, while the database took changes."""
    yield "log in at the site", Browser(int(inside.site.rpartition(":")[2])).log_in()
    yield "delete", inside.send(f"{SITE}contracts/contract/{world.other_draft.pk}/delete/", {"post": "yes"}, form)
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
        let_time_pass_for(inside)
        with closed_to_changes():
            for name, answer in (*client.writes(), *pages(inside, client.world, form)):
                assert_told(name, answer)
            assert_told("a visit that has to be noted", inside.get(SITE))
            assert_told("readiness", client.send("GET", "/health/ready/"))
            assert client.send("GET", "/health/live/").status == 200
            assert client.send("GET", f"{API}clients/").status == 200, "what changes nothing goes on"
        # The process is the same. Had it kept its connection, it would be read-only for ten minutes.
        assert_is_ready_again(client)
        assert client.send("POST", below(client.world.own_client), body_of("contract", client.world)).status == 201
    assert '"level":"error"' not in (tmp_path / "gunicorn.log").read_text()


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
