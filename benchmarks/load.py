"""Requests to a server on this machine, two at a time, bounded in number and in time."""

import http.client
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from processes import check_stopped

AT_ONCE = 2
LONGEST = 60.0  # seconds


class Unexpected(Exception):
    """An answer that isn't the one measured."""


def get(port: int, path: str, token: str) -> bytes:
    return _ask(port, "GET", path, token, expected=200)


def post(port: int, path: str, token: str, body: dict[str, Any]) -> bytes:
    return _ask(port, "POST", path, token, expected=201, body=json.dumps(body))


def _ask(port: int, method: str, path: str, token: str, *, expected: int, body: str | None = None) -> bytes:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        answer = response.read()
    if response.status != expected:
        raise Unexpected(f"{path} answered {response.status}: {answer[:500]!r}")
    return answer


def run(port: int, path: str, token: str, *, requests: int) -> tuple[int, float]:
    """How many requests were answered, and in how many seconds."""
    return repeat(lambda: get(port, path, token), requests)


def repeat(request: Callable[[], Any], requests: int) -> tuple[int, float]:
    started = time.monotonic()

    def some(count: int) -> int:
        for done in range(count):
            if time.monotonic() - started > LONGEST:
                return done
            check_stopped()
            request()
        return count

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answered = sum(pool.map(some, [requests // AT_ONCE] * AT_ONCE))
    return answered, time.monotonic() - started
