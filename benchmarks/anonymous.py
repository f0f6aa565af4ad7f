"""Finds the most expensive anonymous request of each route, and compares its cost with that of a refused login.

See README.md. The cost is the processor time of the server's workers.
Exits 1 if the cost of a request is more than MAX_LOGIN_RATIO times the cost of a refused login.
Exits 1 also if a worker's memory grows by more than MAX_GROWTH_MIB when the requests are repeated.
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

import expensive_requests
import stage
from expensive_requests import Request
from processes import Failed, say, status_of
from processor import children, memory
from servers import OURS, Server, running

MAX_LOGIN_RATIO = 10  # maximum cost of a request, divided by the cost of a refused login
MAX_GROWTH_MIB = 4  # maximum growth of a worker's memory when the same requests are sent again
ROUNDS = 5  # how many times the most expensive requests of each route are sent again
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
    """Sends a request. Returns the answer's status and its length in bytes.

    Each request pretends to come from another IP address, so that no rate limit is reached.
    """
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
            pass  # the server closed the connection before it had read the whole request
    status = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    return status[1].decode() if status else "none", len(answer)


def cost(server: Server, request: Request, *, rounds: int = 1) -> Cost:
    """Sends the request once in each round, and measures the processor milliseconds of the workers.

    Returns the median of the rounds.
    """
    spent = []
    for _ in range(rounds):
        before = server.worker_clocks()
        status, length = send(server.port, request)
        spent.append(server.worker_clocks().since(before) * 1000)
    return Cost(statistics.median(spent), status, length, request)


def refused_login(server: Server) -> float:
    def measure(number: int) -> float:
        body = b'{"username": "nobody-%d", "password": "a wrong passphrase"}' % number
        headers = (("Content-Type", expensive_requests.JSON),)
        login = cost(server, Request("", "POST", "/api/v1/users/login/", headers, body))
        if login.status != "401":
            raise Failed(f"A refused login was answered with {login.status}.")
        return login.milliseconds

    return statistics.median([measure(number) for number in range(25)][5:])


def routes() -> Iterator[tuple[str, list[str]]]:
    """Yields each path with the methods to test there, such as ("/api/v1/clients/", ["POST"]). GET isn't listed.

    The paths are all routes of the API, the pages of the admin site, and some others, such as paths that don't exist.
    """
    from django.conf import settings
    from django.contrib.admin import site

    from access import checks

    patterns = dict(checks.routes())
    seen = set()
    for page in _flat(site.urls[0]):
        # Each admin view is tested for one model only, because anonymous requests only get to the login page.
        if (view := (page.callback.__module__, page.callback.__name__)) not in seen:
            seen.add(view)
            patterns[settings.ADMIN_URL + str(page.pattern)] = page
    for path, pattern in patterns.items():
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
    """Replaces each parameter of a route's path by a value.

    Parameters are written `<int:pk>` by path(), and `(?P<pk>…)` by regular expressions.
    """
    path = re.sub(r"<uuid:\w+>", "3f0b3c1e-7a55-4c5e-9d52-0c9c5a7f1f10", path)
    path = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: _KEYS.get(match[1], "1"), path)
    return re.sub(r"\(\?P<\w+>.+\)|[\^$\\?]", lambda match: "x" if len(match[0]) > 1 else "", path)


def most_expensive(server: Server, path: str, methods: list[str]) -> Cost:
    requests = [
        *expensive_requests.reads(path),
        *(request for method in methods for request in expensive_requests.writes(path, method)),
    ]
    costs = sorted((cost(server, request) for request in requests), reverse=True)
    return max(cost(server, candidate.request, rounds=ROUNDS) for candidate in costs[:2])


def resident(server: Server) -> list[float]:
    return [memory(pid).rss for pid in children(server.process.pid)]


def _line(cost: Cost, login: float) -> str:
    path = cost.request.path.partition("?")[0]
    ratio = cost.milliseconds / login
    return f"{cost.milliseconds:7.1f} {ratio:7.2f} {cost.status:>6} {cost.answer:9,}  {path[:60]}: {cost.request.name}"


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
                    costs.append(most_expensive(server, path, methods))
                    say(_line(costs[-1], login))
            after = resident(server)
            for _ in range(ROUNDS):
                for expensive in costs:
                    send(server.port, expensive.request)
            repeated = resident(server)
    say(f"\n{'ms':>7} {'logins':>7} {'status':>6} {'answer':>9}  most expensive request")
    for expensive in sorted(costs, reverse=True)[:15]:
        say(_line(expensive, login))
    growth = max(late - early for early, late in zip(after, repeated, strict=True))
    worst = max(costs).milliseconds / login
    say(f"A refused login takes {login:.1f} ms; the worst request of {len(costs)} routes {worst:.1f} times as much.")
    first = max(late - early for early, late in zip(before, after, strict=True))
    say(
        f"They leave {first:.0f} MiB more in a worker (RSS {max(after):.0f} MiB), and {growth:.1f} MiB when they come "
        "again."
    )
    return int(worst > MAX_LOGIN_RATIO or growth > MAX_GROWTH_MIB)


if __name__ == "__main__":
    sys.exit(status_of(main, *sys.argv[1:]))
