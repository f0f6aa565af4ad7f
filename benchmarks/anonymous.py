"""The dearest request of every route that a caller without an account can send, beside a refused login. See README.md.

Processor time of the server's workers. The exit status tells whether one costs more than MAX_TIMES a refused login, and
whether a worker keeps MAX_GROWTH more each time.
"""

import argparse
import itertools
import os
import re
import socket
import statistics
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple

import dear_inputs
import stage
from dear_inputs import Request
from processes import Failed, say, status_of
from processor import children, memory
from servers import OURS, Server, running

MAX_TIMES = 10  # security.md 33
MAX_GROWTH = 4  # MiB of a worker, once it has seen all of them, when they come again
ROUNDS = 5  # of the dearest ones of each route
_KEYS = {
    "name": "MQ",
    "token": "a" * 2_000,
    "app_label": "accounts",
    "url": "x",
    "object_id": "1",
    "content_type_id": "1",
}

_address = itertools.count()


class Cost(NamedTuple):
    milliseconds: float
    status: str
    answer: int
    request: Request


def send(port: int, request: Request) -> tuple[str, int]:
    """Its status, and the length of the answer. Each comes from another address, so that no limit is met."""
    number = next(_address)
    lines = [
        f"{request.method} {request.path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close",
        f"X-Forwarded-For: 10.{number // 65_536 % 256}.{number // 256 % 256}.{number % 256}",
        *(f"{name}: {value}" for name, value in request.headers),
        *([f"Content-Length: {len(request.body)}"] if request.body else []),
    ]  # fmt: skip
    answer = b""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as line:
        try:
            line.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + request.body)
            while part := line.recv(65_536):
                answer += part
        except ConnectionError:
            pass  # it has closed with bytes of ours unread
    status = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    return status[1].decode() if status else "none", len(answer)


def cost(server: Server, request: Request, *, rounds: int = 1) -> Cost:
    """Milliseconds of the workers, the median of some rounds."""
    spent = []
    for _ in range(rounds):
        before = server.worker_clocks()
        status, length = send(server.port, request)
        spent.append(server.worker_clocks().since(before) * 1000)
    return Cost(statistics.median(spent), status, length, request)


def refused_login(server: Server) -> float:
    def one(number: int) -> float:
        body = b'{"username": "nobody-%d", "password": "a wrong passphrase"}' % number
        headers = (("Content-Type", dear_inputs.JSON),)
        found = cost(server, Request("", "POST", "/api/v1/users/login/", headers, body))
        if found.status != "401":
            raise Failed(f"A refused login was answered with {found.status}.")
        return found.milliseconds

    return statistics.median([one(number) for number in range(25)][5:])


def routes() -> Iterator[tuple[str, list[str]]]:
    """Paths, each with the methods that send a body: all routes, the admin site's too, and what has no route."""
    from django.conf import settings
    from django.contrib.admin import site

    from access import checks

    found = dict(checks.routes())
    seen = set()
    for one in _flat(site.urls[0]):
        # The pages of each model are those of any: all of them lead to the login.
        if (kind := (one.callback.__module__, one.callback.__name__)) not in seen:
            seen.add(kind)
            found[settings.ADMIN_URL + str(one.pattern)] = one
    for path, pattern in found.items():
        actions = getattr(pattern.callback, "actions", None)
        methods = ["POST"] if actions is None else [method.upper() for method in actions if method != "get"]
        yield "/" + _filled(path), methods
    yield "/" + settings.ADMIN_URL, ["POST"]
    yield from (("/static/admin/css/base.css", []), ("/static/nothing.css", []), ("/nowhere/", ["POST"]))
    yield "/" + "a/" * 3_900, []
    yield f"/api/v1/clients/{'9' * 7_800}/", ["PATCH"]


class Page(NamedTuple):
    pattern: str
    callback: Any


def _flat(patterns: list[Any], prefix: str = "") -> Iterator[Page]:
    for pattern in patterns:
        path = f"{prefix}{pattern.pattern}"
        if inner := getattr(pattern, "url_patterns", None):
            yield from _flat(inner, path)
        else:
            yield Page(path, pattern.callback)


def _filled(path: str) -> str:
    """With a value in each place of a route, be it a converter's or a regular expression's."""
    path = re.sub(r"<uuid:\w+>", "3f0b3c1e-7a55-4c5e-9d52-0c9c5a7f1f10", path)
    path = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: _KEYS.get(match[1], "1"), path)
    return re.sub(r"\(\?P<\w+>.+\)|[\^$\\?]", lambda match: "x" if len(match[0]) > 1 else "", path)


def dearest(server: Server, path: str, methods: list[str]) -> Cost:
    requests = [*dear_inputs.reads(path), *(one for method in methods for one in dear_inputs.writes(path, method))]
    found = sorted((cost(server, request) for request in requests), reverse=True)
    return max(cost(server, one.request, rounds=ROUNDS) for one in found[:2])


def resident(server: Server) -> list[float]:
    return [memory(pid).rss for pid in children(server.process.pid)]


def _line(one: Cost, login: float) -> str:
    path = one.request.path.partition("?")[0]
    times = one.milliseconds / login
    return f"{one.milliseconds:7.1f} {times:7.2f} {one.status:>6} {one.answer:9,}  {path[:60]}: {one.request.name}"


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench anonymous", description=__doc__)
    parser.add_argument("--only", default="", help="routes whose path has this in it")
    options = parser.parse_args(arguments)
    with stage.prepared(clients=200):
        import django

        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        django.setup()
        with running(OURS) as [server]:
            login = refused_login(server)
            before = resident(server)
            costs = []
            for path, methods in routes():
                if options.only in path:
                    costs.append(dearest(server, path, methods))
                    say(_line(costs[-1], login))
            after = resident(server)
            for _ in range(ROUNDS):
                for one in costs:
                    send(server.port, one.request)
            again = resident(server)
    say(f"\n{'ms':>7} {'logins':>7} {'status':>6} {'answer':>9}  the dearest of them")
    for one in sorted(costs, reverse=True)[:15]:
        say(_line(one, login))
    growth = max(late - early for early, late in zip(after, again, strict=True))
    worst = max(costs).milliseconds / login
    say(f"A refused login takes {login:.1f} ms; the dearest request of {len(costs)} routes {worst:.1f} times as much.")
    first = max(late - early for early, late in zip(before, after, strict=True))
    say(
        f"They leave {first:.0f} MiB more in a worker (RSS {max(after):.0f} MiB), and {growth:.1f} MiB when they come again."
    )
    return int(worst > MAX_TIMES or growth > MAX_GROWTH)


if __name__ == "__main__":
    sys.exit(status_of(main, *sys.argv[1:]))
