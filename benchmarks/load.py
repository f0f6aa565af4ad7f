"""The load generator (autocannon), and single requests, to a server on this machine."""

import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import stage
from operations import Operation
from processes import Child, Failed, check_stopped, start, wait

AT_ONCE = 2
HOME = stage.HOME / "benchmarks"
_SOURCE = stage.ROOT / "benchmarks" / "loading"


class Answers(NamedTuple):
    """Times as the client sees them: `seconds` for all, milliseconds for the median and for the slowest in a hundred."""

    number: int
    seconds: float
    p50: float
    p99: float
    statuses: dict[str, int]


class Load:
    def __init__(self, process: Child) -> None:
        self._process = process

    def send(self, operation: Operation, port: int, token: str, requests: int, *, closes: bool) -> Answers:
        """So many requests, two at a time. Raises Failed for any answer but the expected one."""
        answers = self._ask(operation.job(port, token) | {"connections": AT_ONCE, "amount": requests, "closes": closes})
        if answers.statuses != {str(operation.expected): requests}:
            raise Failed(f"{operation.path} of port {port} answered {answers.statuses} instead of {operation.expected}.")
        return answers

    def _ask(self, job: dict[str, Any]) -> Answers:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        check_stopped()
        if not line:
            raise Failed("The load generator ended, see above.")
        told = json.loads(line)
        if told["errors"]:
            raise Failed(f"{told['errors']} connections to {job['url']} failed.")
        return Answers(told["answered"], told["seconds"], told["p50"], told["p99"], told["statuses"])


@contextmanager
def generator() -> Iterator[Load]:
    import node

    node.packages(_SOURCE, HOME)
    environment = node.programs() | {"NODE_PATH": str(HOME / "node_modules")}
    command = ["node", str(_SOURCE / "load.js")]
    process = start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    try:
        yield Load(process)
    finally:
        process.terminate()
        wait(process)


def answer(operation: Operation, port: int, token: str = "") -> Any:
    """What one request is answered. Raises Failed for any answer but the expected one."""
    job = operation.job(port, token)
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request(operation.method, operation.path, job["body"], job["headers"])
        response = connection.getresponse()
        body = response.read()
    if response.status != operation.expected:
        raise Failed(f"{operation.path} of port {port} answered {response.status}: {body[:500]!r}")
    return json.loads(body)
