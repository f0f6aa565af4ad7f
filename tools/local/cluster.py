"""A private PostgreSQL server, which runs as long as the script that started it.

Every role has a password, and only programs on this machine can connect.
"""

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import account
import binaries
import generated
import initdb
import psycopg2
from account import Account
from binaries import Binaries
from processes import Failed, check_stopped, forget, record, rely_on, say

MAX_WAIT_SECONDS = 60  # seconds for the server to start or stop, including recovery after a crash
# Log lines contain the SQLSTATE (%e), because this code is the same in all languages of PostgreSQL's messages.
LOG_LINE_PREFIX = "-clog_line_prefix=%m [%p] %e "
# These options turn durability off, because test databases needn't survive a crash.
# Autovacuum is off. Otherwise a test's query plans would depend on the time when autovacuum last analysed the tables.
# JIT compilation is off, because it takes longer than it saves. bootstrap.sql turns it off for eecrm_app only.
FOR_TESTS = ("-cfsync=off", "-csynchronous_commit=off", "-cfull_page_writes=off", "-cautovacuum=off", "-cjit=off")


@dataclass(frozen=True)
class Cluster:
    directory: Path
    programs: Binaries
    owner: Account
    settings: dict[str, str]  # PG_ variables with address and logins, for Django and bootstrap.sql
    is_durable: bool
    is_wheel: bool  # true if the caller chose the wheel's programs

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def log(self) -> Path:
        return self.directory / "log"

    @property
    def port(self) -> int:
        return int(self.settings["PG_PORT"])

    def afresh(self) -> "Cluster":
        say(f"Throwing the database in {self.data} away …")
        shutil.rmtree(self.directory)
        return find(self.directory, self.settings["PG_DATABASE"], is_durable=self.is_durable, is_wheel=self.is_wheel)

    def with_free_port(self) -> "Cluster":
        """Returns the cluster with its last port; with a new port if another process uses the last port now."""
        if generated.is_free(self.port):
            return self
        settings = self.settings | {"PG_PORT": str(generated.free_port())}
        generated.write(_secrets(self.directory), settings)
        return replace(self, settings=settings)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._prepare_files()
        server = self._start()
        try:
            self._wait_until_ready(server)
            rely_on(server, self._loss_message)
            say(
                f"PostgreSQL {self.programs.version} ({self.programs.origin}, {self.programs.directory})"
                f" runs as {self.owner.name} on 127.0.0.1:{self.port} with its data in {self.data}."
            )
            yield
        finally:
            self._stop(server)

    def connect(self) -> "psycopg2.extensions.connection":
        """Connects as the administrator to the database `postgres`. Each statement commits."""
        connection = psycopg2.connect(
            host="127.0.0.1",
            port=self.port,
            dbname="postgres",
            user=self.settings["PG_ADMIN_USER"],
            password=self.settings["PG_ADMIN_PASSWORD"],
            sslmode="disable",
            connect_timeout=5,
        )
        connection.autocommit = True
        return connection

    def _prepare_files(self) -> None:
        self.owner.open_way_to(self.data)
        self.owner.open_way_to(self.programs.path("postgres"))
        for tree in self.programs.trees:
            self.owner.open_tree(tree)
        if not self.data.is_dir():
            initdb.make(self.data, self.programs, self.owner, self.settings, log=self.log, is_durable=self.is_durable)
            return
        made_by = int((self.data / "PG_VERSION").read_text())
        if made_by != self.programs.major:
            raise Failed(
                f"The database in {self.data} was made by PostgreSQL {made_by}, but the programs found now are"
                f" PostgreSQL {self.programs.version} in {self.programs.directory}. Nothing was changed:"
                f" put PostgreSQL {made_by} on PATH again, or start over with --reset."
            )
        self.owner.own(self.data)

    def _start(self) -> subprocess.Popen[bytes]:
        """Starts the PostgreSQL server.

        `processes.start` isn't used, because it passes signals on to the started process.
        The server must stop last, after the processes that use it.
        """
        check_stopped()
        options = [f"-cport={self.port}", "-clisten_addresses=127.0.0.1", "-cunix_socket_directories=", LOG_LINE_PREFIX]
        options += () if self.is_durable else FOR_TESTS
        with initdb.private_log(self.log) as log:
            server = subprocess.Popen(
                [self.programs.path("postgres"), "-D", self.data, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=initdb.plain_environment(),
                **self.owner.options,
            )
        # If this run is killed, a later run stops the server with SIGINT and then SIGQUIT.
        # SIGTERM would make PostgreSQL wait for open connections. SIGKILL would leave child processes running.
        record(server, signal.SIGINT, signal.SIGQUIT)
        return server

    def _wait_until_ready(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + MAX_WAIT_SECONDS
        while time.monotonic() < deadline:
            check_stopped()
            if server.poll() is not None:
                raise Failed(f"PostgreSQL ended while starting. The end of {self.log}:\n{self._tail()}")
            try:
                self.connect().close()
            except psycopg2.OperationalError:
                time.sleep(0.05)
                continue
            return
        raise Failed(f"PostgreSQL let nobody in for {MAX_WAIT_SECONDS} s. The end of {self.log}:\n{self._tail()}")

    def _loss_message(self) -> str:
        return (
            "PostgreSQL has ended, so this ends too. What was written is there: start again, and it recovers by itself."
            f" The end of {self.log}:\n{self._tail()}"
        )

    def _stop(self, server: subprocess.Popen[bytes]) -> None:
        server.send_signal(signal.SIGINT)  # fast shutdown: ends the sessions, then writes a checkpoint
        try:
            server.wait(MAX_WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            # SIGQUIT is an immediate shutdown: nothing is lost, but the next start must recover from the log.
            server.send_signal(signal.SIGQUIT)
            server.wait()
        forget(server)

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


def find(directory: Path, database: str, *, is_durable: bool, is_wheel: bool = False) -> Cluster:
    """Returns the cluster in a directory, with the PostgreSQL programs and the system account that run it.

    Raises Failed if no PostgreSQL programs are found.
    """
    owner = account.for_server()
    programs = binaries.find(is_wheel=is_wheel)
    if programs is None:
        raise Failed("PostgreSQL was found neither on PATH nor in the wheel of requirements-local.txt: install one.")
    owner.keep_private(directory)
    settings = generated.add_missing(_secrets(directory), generated.make_server_settings(database))
    return Cluster(directory, programs, owner, settings, is_durable, is_wheel)


def _secrets(directory: Path) -> Path:
    """Returns the path of the file with the passwords.

    This file is next to the data, so that both are deleted together.
    """
    return directory / "server.env"
