"""A private PostgreSQL: passwords for everybody, reachable from this machine only, started and stopped with us."""

import locale
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import account
import binaries
import generated
import psycopg2
from account import Account
from binaries import Binaries
from processes import Failed, check_stopped, run, say

PATIENCE = 60  # Seconds for starting or stopping, which may include recovery after a crash.
SETTINGS = "server.env"  # How to get in, kept next to the data that it belongs to.
FAST_AND_LOOSE = ("-cfsync=off", "-csynchronous_commit=off", "-cfull_page_writes=off")


@dataclass(frozen=True)
class Cluster:
    home: Path
    programs: Binaries
    owner: Account
    settings: dict[str, str]
    is_durable: bool

    @property
    def port(self) -> int:
        return int(self.settings["PG_PORT"])

    @property
    def directory(self) -> Path:
        return self.home / "postgres"

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def log(self) -> Path:
        return self.directory / "log"

    def afresh(self) -> "Cluster":
        say(f"Throwing the database in {self.data} away …")
        self._stop_orphan()
        shutil.rmtree(self.directory)
        return find(self.home, self.settings["PG_DATABASE"], is_durable=self.is_durable)

    def with_free_port(self) -> "Cluster":
        """The port of last time, unless something else listens there now."""
        self._stop_orphan()
        if generated.is_free(self.port):
            return self
        settings = self.settings | {"PG_PORT": str(generated.free_port())}
        generated.write(self.directory / SETTINGS, settings)
        return replace(self, settings=settings)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._prepare_files()
        server = self._start()
        try:
            self._wait_until_ready(server)
            say(
                f"PostgreSQL {self.programs.version} ({self.programs.origin}, {self.programs.directory})"
                f" runs as {self.owner.name} on 127.0.0.1:{self.port} with its data in {self.data}."
            )
            yield
        finally:
            self._stop(server)

    def _prepare_files(self) -> None:
        self.owner.open_way_to(self.data)
        self.owner.open_way_to(self.programs.path("postgres"))
        for tree in self.programs.trees:
            self.owner.open_tree(tree)
        if self.data.is_dir():
            self._check_version()
            self.owner.own(self.data)
        else:
            self._initialise()

    def _check_version(self) -> None:
        made_by = int((self.data / "PG_VERSION").read_text())
        if made_by != self.programs.major:
            raise Failed(
                f"The database in {self.data} was made by PostgreSQL {made_by}, but the programs found now are"
                f" PostgreSQL {self.programs.version} in {self.programs.directory}. Nothing was changed:"
                f" put PostgreSQL {made_by} on PATH again, or start over with --reset."
            )

    def _initialise(self) -> None:
        say(f"Making a new database in {self.data} …")
        # Under another name until it is complete, so that an interrupted start leaves nothing that looks like data.
        draft, password_file = self.directory / "data.new", self.directory / "password"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password_file.touch(mode=0o600)
        password_file.write_text(self.settings["PG_ADMIN_PASSWORD"])
        self.owner.own(draft)
        self.owner.own(password_file)
        try:
            with open(self.log, "wb") as log:
                run(
                    [
                        self.programs.path("initdb"),
                        f"--pgdata={draft}",
                        f"--username={self.settings['PG_ADMIN_USER']}",
                        f"--pwfile={password_file}",
                        "--auth=scram-sha-256",
                        "--encoding=UTF8",
                        f"--locale={_locale()}",
                        "--data-checksums",
                        *(() if self.is_durable else ("--no-sync",)),
                    ],
                    failure=f"PostgreSQL could not make a database; {self.log} says why.",
                    stdout=log,
                    stderr=log,
                    env=_plain_environment(),
                    **self.owner.options,
                )
        finally:
            password_file.unlink()
        draft.rename(self.data)

    def _start(self) -> subprocess.Popen[bytes]:
        """Not one of the children that a signal is passed on to: the database goes last, when nobody needs it any more."""
        check_stopped()
        options = [
            f"-cport={self.port}",
            "-clisten_addresses=127.0.0.1",
            "-cunix_socket_directories=",
            *(() if self.is_durable else FAST_AND_LOOSE),
        ]
        with open(self.log, "wb") as log:
            return subprocess.Popen(
                [self.programs.path("postgres"), "-D", self.data, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=_plain_environment(),
                **self.owner.options,
            )

    def _wait_until_ready(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            check_stopped()
            if server.poll() is not None:
                raise Failed(f"PostgreSQL ended while starting. The end of {self.log}:\n{self._tail()}")
            try:
                self._connect().close()
            except psycopg2.OperationalError as error:
                if "password authentication failed" in str(error):
                    raise Failed(
                        f"The password in {self.directory / SETTINGS} isn't that of the database in {self.data}:"
                        " restore the file, or start over with --reset."
                    ) from None
                time.sleep(0.05)
                continue
            return
        raise Failed(f"PostgreSQL didn't answer within {PATIENCE} s. The end of {self.log}:\n{self._tail()}")

    def _connect(self) -> "psycopg2.extensions.connection":
        return psycopg2.connect(
            host="127.0.0.1",
            port=self.port,
            dbname="postgres",
            user=self.settings["PG_ADMIN_USER"],
            password=self.settings["PG_ADMIN_PASSWORD"],
            connect_timeout=5,
        )

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def _stop(self, server: subprocess.Popen[bytes]) -> None:
        if server.poll() is not None:
            say(f"PostgreSQL had ended by itself; {self.log} may say why.")
            return
        server.send_signal(signal.SIGINT)  # "Fast shutdown": ends sessions, then writes everything down.
        try:
            server.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            server.send_signal(signal.SIGQUIT)
            server.wait()

    def _stop_orphan(self) -> None:
        """Ends the server of a run that was killed. Whoever calls this holds the home's lock."""
        pid_file = self.data / "postmaster.pid"
        if not pid_file.is_file() or not self._answers():
            return
        say("Stopping the PostgreSQL that an earlier run left behind …")
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGINT)
        deadline = time.monotonic() + PATIENCE
        while pid_file.exists() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _answers(self) -> bool:
        """Asked of the server itself: after a reboot, the number in postmaster.pid may be anybody's process."""
        try:
            with closing(self._connect()) as connection, connection.cursor() as cursor:
                cursor.execute("SHOW data_directory")
                return cursor.fetchone() == (str(self.data),)
        except psycopg2.OperationalError:
            return False


def find(home: Path, database: str, *, is_durable: bool) -> Cluster:
    """The cluster of a home, with the programs and the account that it runs with on this machine."""
    owner = account.for_server()
    programs = binaries.of_this_machine() or binaries.of_the_wheel()
    if programs is None:
        raise Failed("PostgreSQL was found neither on PATH nor in the wheel of requirements-local.txt: install one.")
    directory = home / "postgres"
    directory.mkdir(exist_ok=True)
    settings = generated.complete(directory / SETTINGS, generated.private_server(database))
    return Cluster(home, programs, owner, settings, is_durable)


def _plain_environment() -> dict[str, str]:
    """Without the PG… variables of the person at the terminal, which are meant for another server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def _locale() -> str:
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, "C.UTF-8")
    except locale.Error:
        return "C"
    locale.setlocale(locale.LC_ALL, before)
    return "C.UTF-8"
