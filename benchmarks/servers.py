"""The implementations that the benchmarks compare, and the servers that run them."""

import http.client
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import load
import stage
from operations import Operation, next_login
from processes import Child, Command, Failed, check_stopped, start, wait
from processor import Clocks, Memory, children, memory

WORKERS = 2
MAX_START_SECONDS = 60  # longest wait for a server's first answer
_HERE = Path(__file__).parent


class Implementation(NamedTuple):
    name: str
    app: str  # argument of gunicorn or uvicorn, such as "config.wsgi:application"
    is_asgi: bool = False
    is_ours: bool = False
    lacks: tuple[str, ...] = ()  # names of operations, such as "sync", that this implementation doesn't have
    without: tuple[str, ...] = ()  # names of parts of this project that without.py removes
    options: tuple[str, ...] = ()  # command-line options of gunicorn, which override its configuration file

    @property
    def label(self) -> str:
        """The application_name of the implementation's database connections, at most 63 bytes long.

        The benchmarks find the PostgreSQL processes of these connections by this name.
        """
        return "-".join([self.app.partition(":")[0], *self.without, *self.options])[:63]

    def command(self, port: int) -> Command:
        if self.is_asgi:
            options = [f"--port={port}", f"--workers={WORKERS}", f"--app-dir={_HERE}", "--no-access-log"]
            return [sys.executable, "-m", "uvicorn", *options, self.app]
        options = [f"--config={stage.ROOT / 'deploy' / 'gunicorn.conf.py'}", f"--pythonpath={_HERE}", *self.options]
        return [sys.executable, "-m", "gunicorn", *options, self.app]

    def environment(self, port: int) -> dict[str, str]:
        common = {"PORT": str(port), "WEB_CONCURRENCY": str(WORKERS), "PGAPPNAME": self.label}
        special = {"WITHOUT": ",".join(self.without)} if self.is_ours else stage.reference_environment()
        return os.environ | common | special


OURS = Implementation("this project", "config.wsgi:application", is_ours=True)
FLOOR = Implementation("the floor", "references.floor:application")
DRF = Implementation("Django REST framework", "references.drf.wsgi:application", lacks=("sync",))
FASTAPI = Implementation("FastAPI + SQLAlchemy", "references.fast:app", is_asgi=True)


@dataclass
class Server:
    implementation: Implementation
    process: Child
    port: int
    owner: Any  # a database connection as PostgreSQL's administrator
    log: BinaryIO
    token: str = field(default="", init=False)

    def log_in(self) -> None:
        self.token = load.answer(next_login(), self.port)["access"]

    def answer(self, operation: Operation) -> Any:
        return load.answer(operation, self.port, self.token)

    def ask(self, generator: load.Load, operation: Operation, **options: int) -> load.Answers:
        """Sends requests of an operation. `options` are those of `Load.send`.

        Raises Failed if an answer has an unexpected status.
        """
        job, keeps_alive = operation.job(self.port, self.token), self.implementation.is_asgi
        answers = generator.send(job, keeps_alive=keeps_alive, **options)
        if answers.statuses.keys() != {str(operation.expected)} or answers.number != options.get(
            "amount", answers.number
        ):
            raise Failed(f"{operation.name} of {self.implementation.label} was answered {answers.statuses}.")
        return answers

    def worker_clocks(self) -> Clocks:
        return Clocks(children(self.process.pid))

    def database_clocks(self) -> Clocks:
        """Returns the processor times of the PostgreSQL processes that serve this server's persistent connections."""
        with self.owner.cursor() as cursor:
            cursor.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s", [self.implementation.label])
            return Clocks(pid for (pid,) in cursor.fetchall())

    def memory(self) -> Memory:
        """Returns the memory of the largest worker. Only `pss` is an average for each worker.

        `pss` is the memory of gunicorn's main process and all workers together, divided by the number of workers.
        """
        workers = [memory(pid) for pid in children(self.process.pid)]
        total = memory(self.process.pid).pss + sum(worker.pss for worker in workers)
        return max(workers)._replace(pss=total / WORKERS)


@contextmanager
def running(*implementations: Implementation) -> Iterator[list[Server]]:
    """Runs a server for each implementation during the block."""
    with ExitStack() as stack:
        owner = stack.enter_context(closing(stage.connect("PG_ADMIN", "postgres")))
        servers = [stack.enter_context(_started(implementation, owner)) for implementation in implementations]
        for server in servers:
            _wait_until_it_answers(server)
        yield servers


@contextmanager
def _started(implementation: Implementation, owner: Any) -> Iterator[Server]:
    port = free_port()
    stage.LOGS.mkdir(parents=True, exist_ok=True)
    # The server logs to a file, because writing log lines is part of a request's cost.
    with open(stage.LOGS / f"{implementation.label}.log", "w+b") as log:
        process = start(implementation.command(port), env=implementation.environment(port), stdout=log, stderr=log)
        try:
            yield Server(implementation, process, port, owner, log)
        finally:
            process.terminate()
            wait(process)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_it_answers(server: Server) -> None:
    deadline = time.monotonic() + MAX_START_SECONDS
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
    raise Failed(f"{server.implementation.label} didn't start:\n{server.log.read().decode(errors='replace')[-2000:]}")
