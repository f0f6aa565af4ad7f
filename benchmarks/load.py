"""Requests to a server on this machine, two at a time, bounded in number and in time."""

import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from processes import check_stopped

AT_ONCE = 2
LONGEST = 60.0  # seconds


class Unexpected(Exception):
    """An answer that isn't the one measured."""


def get(port: int, path: str, token: str) -> bytes:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}", "Accept": "application/json"})
        response = connection.getresponse()
        body = response.read()
    if response.status != 200:
        raise Unexpected(f"{path} answered {response.status}: {body[:500]!r}")
    return body


def run(port: int, path: str, token: str, *, requests: int) -> tuple[int, float]:
    """How many requests were answered, and in how many seconds."""
    started = time.monotonic()

    def some(count: int) -> int:
        for done in range(count):
            if time.monotonic() - started > LONGEST:
                return done
            check_stopped()
            get(port, path, token)
        return count

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answered = sum(pool.map(some, [requests // AT_ONCE] * AT_ONCE))
    return answered, time.monotonic() - started
