"""A server that takes no changes: a standby, a demoted primary, one that an operator has closed. Real ones, over HTTP."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from django.db import DatabaseError, connection

from access.refusals import READ_ONLY, refusal_of
from access.tests.paths import below, body_of
from access.tests.standby import Standby, standby
from accounts import tokens
from api.tests import serving
from config.environment import ROOT
from conftest import API, PASSWORD, World

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
        headers = {"Authorization": f"Bearer {self.access}"} if path.startswith(API) and "users/login" not in path else {}
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

    def pages(self) -> Iterator[tuple[str, Answer]]:
        """Writes of the site need a CSRF token; its value is the cookie's, which a page sets."""
        form = {"username": "management", "password": PASSWORD}
        page = self.send("GET", f"{SITE}login/")
        cookie = page.headers["Set-Cookie"].split(";")[0]
        token = page.content.decode().partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
        line = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            line.request(
                "POST", f"{SITE}login/", urlencode(form | {"csrfmiddlewaretoken": token}),
                {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"},
            )  # fmt: skip
            answer = line.getresponse()
            yield "log in at the site", Answer(answer.status, answer.headers, answer.read())
        finally:
            line.close()


def assert_told(name: str, answer: Answer) -> None:
    assert answer.status == 503, f"{name}: {answer.status} {answer.content!r}"
    assert answer.headers["Retry-After"] == "1", name
    if answer.headers["Content-Type"] == "application/problem+json":
        told = json.loads(answer.content)
        assert (told["code"], told["detail"]) == (READ_ONLY.code, READ_ONLY.sentence), name
    else:
        assert READ_ONLY.sentence in answer.content.decode(), name


@contextmanager
def closed_to_changes(migrator: Any) -> Iterator[None]:
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


def test_a_database_that_is_closed_to_changes_is_told_and_left_at_once(
    client: Client, migrator: Any, tmp_path: Path
) -> None:
    with serving.api(tmp_path, client.port, WEB_CONCURRENCY="1"):
        with closed_to_changes(migrator):
            for name, answer in (*client.writes(), *client.pages()):
                assert_told(name, answer)
            assert_told("readiness", client.send("GET", "/health/ready/"))
            assert client.send("GET", "/health/live/").status == 200
            assert client.send("GET", f"{API}clients/").status == 200, "what changes nothing goes on"
        # The process is the same. Had it kept its connection, it would be read-only for ten minutes.
        assert client.send("GET", "/health/ready/").status == 200
        assert client.send("POST", below(client.world.own_client), body_of("contract", client.world)).status == 201
    assert '"level":"error"' not in (tmp_path / "gunicorn.log").read_text()


def test_a_worker_at_a_read_only_database_goes_on_with_the_next_job(
    client: Client, migrator: Any, tmp_path: Path
) -> None:
    command = [sys.executable, str(ROOT / "eecrm" / "manage.py"), "run_worker", "--once"]
    environment = os.environ | {"PG_DATABASE": connection.settings_dict["NAME"], "EECRM_HOME": str(tmp_path)}
    with closed_to_changes(migrator):
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
        for name, answer in (*client.writes(), *client.pages(), ("sync/", client.send("GET", f"{API}sync/"))):
            assert_told(name, answer)
        assert_told("readiness", client.send("GET", "/health/ready/"))
        assert client.send("GET", f"{API}clients/").status == 200, "what changes nothing goes on"
        follower.promote()
        assert client.send("GET", "/health/ready/").status == 200
        assert client.send("POST", below(client.world.own_client), body_of("contract", client.world)).status == 201
    assert '"level":"error"' not in (tmp_path / "gunicorn.log").read_text()
    with through(HOST="127.0.0.1", PORT=str(follower.port)) as promoted, promoted.cursor() as cursor:
        assert not promoted.connection.info.parameter_status("in_hot_standby") == "on"
        cursor.execute("SELECT 1")


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
