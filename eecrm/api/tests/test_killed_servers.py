"""Servers killed with -9 while they create something: a repeat with the same key finds it, or makes it, once."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.db import connection

from access.database import acting_as
from access.policy import Role
from access.tests.paths import below, body_of
from accounts.login import tokens
from audit.models import Entry
from config.environment import ROOT
from conftest import PATIENCE, World
from contracts.models import Contract

# Real servers on one socket, each a fork of a process that is ready. `kept` dies when the answer is kept and nothing is
# committed, `committed` when all is committed and nothing is answered; any other dies when it is killed.
NURSERY = """
import os, signal, sys
from wsgiref.simple_server import WSGIRequestHandler, make_server
from config.wsgi import application
from django.db import connection
from django.urls import get_resolver

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def die_once_kept(execute, sql, params, many, context):
    result = execute(sql, params, many, context)
    if sql.startswith("UPDATE api_idempotency"):
        die()
    return result

def served(environ, start_response):
    answer = application(environ, start_response)
    if moment == "committed":
        die()
    return answer

WSGIRequestHandler.log_message = lambda *_: None
server = make_server("127.0.0.1", 0, served)
get_resolver().url_patterns
connection.close()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print(server.server_port, flush=True)
for line in sys.stdin:
    moment = line.strip()
    child = os.fork()
    if child == 0:
        if moment == "kept":
            connection.execute_wrappers.append(die_once_kept)
        server.serve_forever()
    print(child, flush=True)
"""
Start = Callable[[str], int]


class Phone:
    """An app on a bad network: it repeats what wasn't answered, with the same key."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.headers = port, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.broken = 0

    def post(self, path: str, body: dict[str, Any], key: str) -> Any:
        """The answer and its content. Raises OSError or HTTPException where there is none."""
        line = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            line.request("POST", path, json.dumps(body), self.headers | {"Idempotency-Key": key})
            answer = line.getresponse()
            return answer, answer.read()
        finally:
            line.close()

    def insist(self, path: str, body: dict[str, Any], key: str) -> Any:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                answer, content = self.post(path, body, key)
            except (OSError, HTTPException):
                self.broken += 1
                continue
            if answer.status != 503:
                return answer, content
        raise AssertionError(f"{PATIENCE} s of tries were not enough")


@contextmanager
def nursery(home: Path) -> Iterator[tuple[int, Start]]:
    """The port, and `start(moment)`, which returns the id of a server's process."""
    environment = os.environ | {"PG_DATABASE": connection.settings_dict["NAME"], "EECRM_HOME": str(home)}
    with (home / "log").open("w") as log, subprocess.Popen(
        [sys.executable, "-c", NURSERY], env=environment, cwd=ROOT / "eecrm", stderr=log,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    ) as parent:  # fmt: skip
        port = int(parent.stdout.readline())  # type: ignore[union-attr]  # it has pipes
        started: list[int] = []

        def start(moment: str) -> int:
            parent.stdin.write(f"{moment}\n")  # type: ignore[union-attr]  # as above
            started.append(int(parent.stdout.readline()))  # type: ignore[union-attr]  # as above
            return started[-1]

        try:
            yield port, start
        finally:
            kill(*started)
            parent.stdin.close()  # type: ignore[union-attr]  # as above
            assert parent.wait(PATIENCE) == 0, (home / "log").read_text()[-3000:]


def kill(*servers: int) -> None:
    for server in servers:
        try:
            os.kill(server, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has died already


def contracts_named(name: str) -> int:
    with acting_as(Role.SUPERUSER):
        return Contract.objects.filter(name=name).count()


@pytest.mark.parametrize(("moment", "made"), [("kept", 0), ("committed", 1)])
def test_a_repeat_after_a_crash_finds_what_was_made_or_makes_it(
    moment: str, made: int, committed_world: World, tmp_path: Path
) -> None:
    path, body = below(committed_world.own_client), body_of("contract", committed_world)
    with nursery(tmp_path) as (port, start):
        phone = Phone(port, tokens.log_in(committed_world.users["sales"]).access)
        start(moment)
        with pytest.raises((OSError, HTTPException)):
            phone.post(path, body, "key-1")
        assert contracts_named(body["name"]) == made
        start("never")
        answer, content = phone.insist(path, body, "key-1")
        assert (answer.status, answer.getheader("Idempotency-Replayed")) == (201, "true" if made else None)
        again, same = phone.post(path, body, "key-1")
    assert (again.getheader("Idempotency-Replayed"), same) == ("true", content)
    assert contracts_named(body["name"]) == 1


def is_alive(server: int) -> bool:
    try:
        os.kill(server, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_dead(server: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while is_alive(server):
        assert time.monotonic() < deadline, "the server lives on"
        time.sleep(0.005)


def test_phones_that_insist_lose_and_double_nothing_while_servers_are_killed(
    committed_world: World, tmp_path: Path, chance: Random
) -> None:
    path, body = below(committed_world.own_client), body_of("contract", committed_world)
    answered: dict[str, int] = {}
    progress, over = threading.Condition(), threading.Event()

    def use(phone: Phone, number: int) -> int:
        for each in count():
            if over.is_set():
                return phone.broken
            name = f"Phone {number}, contract {each}"
            answer, content = phone.insist(path, body | {"name": name}, name)
            assert answer.status == 201, content
            with progress:
                answered[name] = json.loads(content)["id"]
                progress.notify_all()

    with nursery(tmp_path) as (port, start), ThreadPoolExecutor() as pool:
        token = tokens.log_in(committed_world.users["sales"]).access
        phones = [pool.submit(use, Phone(port, token), number) for number in range(4)]
        try:
            for moment in ("kept", "committed", *["never"] * 28):
                server = start(moment)
                if moment == "never":
                    with progress:
                        enough = len(answered) + chance.randint(1, 5)
                        assert progress.wait_for(lambda enough=enough: len(answered) >= enough, timeout=PATIENCE)
                    kill(server)
                wait_until_dead(server)
            start("never")
        finally:
            over.set()
        broken = sum(phone.result(timeout=PATIENCE) for phone in phones)
    assert broken >= 2, "the first two servers die in the midst of a request"
    with acting_as(Role.SUPERUSER):
        made = Contract.objects.filter(name__startswith="Phone ")
        assert Counter(made.values_list("name", flat=True)) == dict.fromkeys(answered, 1)
        assert dict(made.values_list("name", "pk")) == answered
        told = Entry.objects.filter(
            table_name="contracts_contract", operation="insert", row_key__in=map(str, answered.values())
        )
        assert told.count() == len(answered)
