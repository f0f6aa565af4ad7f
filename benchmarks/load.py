"""Sends requests to a server on this machine: many requests with the load generator autocannon, or a single request."""

import http.client
import json
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import stage
from operations import Operation
from processes import Child, Failed, check_stopped, start, wait

CONNECTIONS = 2
_SOURCE = stage.ROOT / "benchmarks" / "loading"


class Answers(NamedTuple):
    """Figures about a server's answers, measured by the load generator.

    `seconds` is the total time. `statuses` maps a status to the number of answers with it.
    `p50` and `p99` are the median and the 99th percentile of the latency in milliseconds.
    """

    seconds: float
    p50: float
    p99: float
    statuses: dict[str, int]

    @property
    def number(self) -> int:
        return sum(self.statuses.values())


class Load:
    def __init__(self, process: Child) -> None:
        self._process = process

    def send(self, job: dict[str, Any], *, keeps_alive: bool = False, **options: Any) -> Answers:
        """Sends requests to the server, two at a time.

        `options` are autocannon's options, such as `amount`, or `duration` in seconds.
        """
        assert self._process.stdin and self._process.stdout
        order = {"connections": CONNECTIONS, "closes": not keeps_alive} | job | options
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        check_stopped()
        if not line:
            raise Failed("The load generator ended, see above.")
        result = json.loads(line)
        if errors := result.pop("errors"):
            raise Failed(f"{errors} connections to {job['url']} failed.")
        return Answers(**result)


@contextmanager
def generator() -> Iterator[Load]:
    import node

    home = stage.HOME / "benchmarks"
    node.packages(_SOURCE, home)
    environment = node.programs() | {"NODE_PATH": str(home / "node_modules")}
    command = ["node", str(_SOURCE / "load.js")]
    process = start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    try:
        yield Load(process)
    finally:
        process.terminate()
        wait(process)


def answer(operation: Operation, port: int, token: str = "") -> Any:
    """Sends one request and returns the body of the answer. Raises Failed if the answer has an unexpected status."""
    job = operation.job(port, token)
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request(operation.method, operation.path, job["body"], job["headers"])
        response = connection.getresponse()
        body = response.read()
    if response.status != operation.expected:
        raise Failed(f"{operation.path} was answered {response.status}: {body[:500]!r}")
    return json.loads(body)
