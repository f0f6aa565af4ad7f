"""One implementation as it is served, and the processor time and memory that it and its database connections take."""

import ctypes
import http.client
import os
import re
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import stage
from processes import Child, Command, Failed, check_stopped, start, wait

WORKERS = 2
PATIENCE = 60  # seconds until the first answer
_HERE = Path(__file__).parent


class Implementation(NamedTuple):
    name: str
    app: str  # as its server wants it
    is_asgi: bool = False
    is_ours: bool = False
    without: tuple[str, ...] = ()  # of without.py

    @property
    def label(self) -> str:
        """By which PostgreSQL's processes are told apart, in 63 bytes."""
        return "-".join([self.app.partition(":")[0], *self.without])

    def command(self, port: int) -> Command:
        if not self.is_asgi:
            configuration = stage.ROOT / "deploy" / "gunicorn.conf.py"
            return [sys.executable, "-m", "gunicorn", f"--config={configuration}", f"--pythonpath={_HERE}", self.app]
        options = [f"--port={port}", f"--workers={WORKERS}", f"--app-dir={_HERE}", "--no-access-log"]
        return [sys.executable, "-m", "uvicorn", *options, self.app]

    def environment(self, port: int) -> dict[str, str]:
        named = {"PORT": str(port), "WEB_CONCURRENCY": str(WORKERS), "PGAPPNAME": self.label}
        return os.environ | named | ({"WITHOUT": ",".join(self.without)} if self.is_ours else stage.reference_environment())


OURS = Implementation("this project", "config.wsgi:application", is_ours=True)
FLOOR = Implementation("floor", "references.floor:application")
USUAL = Implementation("DRF as everyone writes it", "references.drf.wsgi:application")
FASTAPI = Implementation("FastAPI + SQLAlchemy", "references.fast:app", is_asgi=True)


class Memory(NamedTuple):
    """MiB of one worker: all that it can reach, and that with what is shared divided among those who share it."""

    rss: float
    pss: float


@dataclass
class Server:
    implementation: Implementation
    process: Child
    port: int
    owner: Any  # a connection of PostgreSQL's administrator
    log: Any
    token: str = field(default="", init=False)

    def worker_seconds(self) -> "Clocks":
        return Clocks(self._workers())

    def database_seconds(self) -> "Clocks":
        """Of the PostgreSQL processes that serve its connections, which persist from request to request."""
        with self.owner.cursor() as cursor:
            cursor.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s", [self.implementation.label])
            return Clocks(pid for (pid,) in cursor.fetchall())

    def memory(self) -> Memory:
        """Of its largest worker."""
        return max(_memory(pid) for pid in self._workers())

    def _workers(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Clocks:
    """How much processor time some processes have used so far, in seconds, with all of their threads that are or were."""

    def __init__(self, pids: Iterable[int]) -> None:
        self.used = {pid: _processor_seconds(pid) for pid in pids}

    def since(self, before: "Clocks") -> float:
        """Raises Failed where a process has ended, since then nobody knows what it used."""
        if gone := before.used.keys() - self.used.keys():
            raise Failed(f"The processes {gone} ended while they were measured.")
        return sum(seconds - before.used.get(pid, 0) for pid, seconds in self.used.items())


@contextmanager
def running(*implementations: Implementation, **settings: str) -> Iterator[list[Server]]:
    """All of them at once, under these environment variables besides."""
    with ExitStack() as stack:
        owner = stack.enter_context(closing(stage.connect("PG_ADMIN", "postgres")))
        servers = [stack.enter_context(_started(one, owner, settings)) for one in implementations]
        for server in servers:
            _wait_until_it_answers(server)
        yield servers


@contextmanager
def _started(implementation: Implementation, owner: Any, settings: dict[str, str]) -> Iterator[Server]:
    port = _free_port()
    # Log lines are written, not shown: they are part of what a request costs.
    stage.LOGS.mkdir(parents=True, exist_ok=True)
    with open(stage.LOGS / f"{implementation.label}.log", "w+b") as log:
        environment = implementation.environment(port) | settings
        process = start(implementation.command(port), env=environment, stdout=log, stderr=log)
        try:
            yield Server(implementation, process, port, owner, log)
        finally:
            process.terminate()
            wait(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_it_answers(server: Server) -> None:
    deadline = time.monotonic() + PATIENCE
    while server.process.poll() is None and time.monotonic() < deadline:
        check_stopped()
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)) as connection:
                connection.request("GET", "/")
                connection.getresponse()
                return
        except OSError:
            time.sleep(0.1)
    server.log.seek(0)
    raise Failed(f"{server.implementation.name} didn't start:\n{server.log.read().decode(errors='replace')[-2000:]}")


def _processor_seconds(pid: int) -> float:
    """User and system time from the scheduler's own clock of the process (POSIX, clock_getcpuclockid): in nanoseconds,
    where /proc/PID/stat counts hundredths of a second, and with the threads that have ended, which /proc/PID/task forgets."""
    clock = ctypes.c_int()
    if error := ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise Failed(f"The processor time of process {pid} can't be read: {os.strerror(error)}.")
    return time.clock_gettime(clock.value)


def _memory(pid: int) -> Memory:
    told = dict(re.findall(r"^(Rss|Pss): +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE))
    return Memory(int(told["Rss"]) / 1024, int(told["Pss"]) / 1024)
