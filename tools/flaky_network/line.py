"""Simulates a flaky network: a connection may break before, during or after the request reaches the server."""

import json
import socket
from collections import Counter
from http.client import HTTPException, HTTPResponse
from random import Random
from typing import Any, NamedTuple
from urllib.parse import urlsplit

MAX_ANSWER_SECONDS = 30  # seconds to wait for an answer; restarting killed workers takes less
# Maps the name of a fault to its weight in the random choice. The empty name means no fault.
FAULTS = {
    "": 85,
    "never sent": 2,
    "half sent": 3,
    "sent, and the answer lost": 6,
    "sent, and the answer torn": 4,
}


class Lost(Exception):
    """The answer didn't arrive. The sender can't know whether the server has handled the request."""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any


class Line:
    """The network between a phone and the server.

    `faults` counts requests by the fault that happened; "" is no fault.
    """

    def __init__(self, address: str, chance: Random) -> None:
        where = urlsplit(address)
        self.host, self.port, self.chance = str(where.hostname), int(where.port or 80), chance
        self.faults: Counter[str] = Counter()

    def ask(self, method: str, path: str, headers: dict[str, str], body: Any = None) -> Answer:
        """Sends a request and returns the answer. Raises Lost after a random fault or a connection error."""
        fault = self.chance.choices(list(FAULTS), list(FAULTS.values()))[0]
        try:
            return self._ask(fault, method, path, headers, body)
        except (OSError, HTTPException, ValueError) as error:
            fault = fault or "the server went away"
            raise Lost(f"{fault}: {error}") from None
        finally:
            self.faults[fault] += 1

    def _ask(self, fault: str, method: str, path: str, headers: dict[str, str], body: Any) -> Answer:
        if fault == "never sent":
            raise OSError("no network")
        content = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        request = "\r\n".join([*lines, "", ""]).encode() + content
        with socket.create_connection((self.host, self.port), timeout=MAX_ANSWER_SECONDS) as connection:
            if fault == "half sent":
                connection.sendall(request[: self.chance.randrange(len(request))])
                raise OSError("hung up")
            connection.sendall(request)
            if fault == "sent, and the answer lost":
                raise OSError("hung up")
            if fault == "sent, and the answer torn":
                connection.recv(self.chance.randrange(1, 400))
                raise OSError("hung up")
            answer = HTTPResponse(connection, method=method)
            answer.begin()
            text = answer.read()
            answer_headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, answer_headers, json.loads(text) if text else None)
