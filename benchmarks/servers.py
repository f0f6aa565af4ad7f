"""One implementation under gunicorn, and the processor time that it and its database connections have used."""

import http.client
import os
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

import stage
from processes import Child, Failed, check_stopped, start, wait

WORKERS = 2
PATIENCE = 30  # seconds until the first answer
_TICKS = os.sysconf("SC_CLK_TCK")


class Implementation(NamedTuple):
    name: str
    app: str  # as gunicorn wants it
    path: str
    settings: str | None = None  # of Django, where there is one


@dataclass(frozen=True)
class Server:
    implementation: Implementation
    process: Child
    port: int

    def worker_seconds(self) -> float:
        return _seconds(_children(self.process.pid))

    def database_seconds(self) -> float:
        """Of the PostgreSQL processes that serve its connections, which persist from request to request."""
        with closing(stage.connect("PG_ADMIN", "postgres")) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = %s AND application_name = %s",
                [stage.DATABASE, self.implementation.app],
            )
            return _seconds(pid for (pid,) in cursor.fetchall())


@contextmanager
def running(implementation: Implementation) -> Iterator[Server]:
    port = _free_port()
    options = [f"--config={stage.ROOT / 'deploy' / 'gunicorn.conf.py'}", f"--pythonpath={stage.ROOT / 'benchmarks'}"]
    # Log lines are written, not shown: they are part of what a request costs.
    with TemporaryFile() as log:
        process = start(
            [sys.executable, "-m", "gunicorn", *options, implementation.app],
            # libpq tells the server the name, by which its processes are found again.
            env=os.environ | {"PORT": str(port), "WEB_CONCURRENCY": str(WORKERS), "PGAPPNAME": implementation.app},
            stdout=log,
            stderr=log,
        )
        try:
            if not _answers(process, port):
                log.seek(0)
                raise Failed(f"{implementation.name} didn't start:\n{log.read().decode(errors='replace')[-2000:]}")
            yield Server(implementation, process, port)
        finally:
            process.terminate()
            wait(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(process: Child, port: int) -> bool:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        check_stopped()
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
                connection.request("GET", "/")
                connection.getresponse()
                return True
        except OSError:
            time.sleep(0.1)
    return False


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _seconds(pids: Iterable[int]) -> float:
    """User and system time (proc(5), fields 14 and 15 of stat)."""
    ticks = 0
    for pid in pids:
        # The second field is the program's name, in parentheses, which may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS
