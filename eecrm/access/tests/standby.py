"""A hot standby of the tests' PostgreSQL, made by its own pg_basebackup and started beside it, by the account that it runs as."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psycopg2
from django.db import connection

from api.tests.serving import free_port
from config.environment import ROOT

sys.path.insert(0, str(ROOT / "tools" / "local"))

import account  # noqa: E402  # which account and which programs scripts/test has chosen
import binaries  # noqa: E402

PATIENCE = 60  # seconds


@dataclass
class Standby:
    port: int
    process: "subprocess.Popen[bytes]"

    @contextmanager
    def login(self, database: str = "postgres") -> Iterator[Any]:
        """An administrator's cursor."""
        with closing(_administrator(self.port, database)) as opened, opened.cursor() as cursor:
            yield cursor

    def promote(self) -> None:
        with self.login() as cursor:
            cursor.execute("SELECT pg_promote(true, %s)", [PATIENCE])
            assert cursor.fetchone() == (True,)


@contextmanager
def standby() -> Iterator[Standby]:
    """A copy of all databases as they are now, which then follows them."""
    programs, owner = binaries.of_this_machine() or binaries.of_the_wheel(), account.for_server()
    assert programs is not None, "the tests' own PostgreSQL came from somewhere"
    home, port = Path(mkdtemp()), free_port()
    owner.own(home)
    data, settings = home / "data", connection.settings_dict
    secret = {"PGPASSWORD": os.environ["PG_ADMIN_PASSWORD"], "PATH": os.environ["PATH"]}
    try:
        subprocess.run(
            [
                programs.path("pg_basebackup"), f"--pgdata={data}", f"--host={settings['HOST']}", f"--port={settings['PORT']}",
                f"--username={os.environ['PG_ADMIN_USER']}", "--checkpoint=fast", "--write-recovery-conf", "--no-sync",
            ],
            check=True, capture_output=True, env=secret, **owner.options,
        )  # fmt: skip
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [programs.path("postgres"), "-D", data, f"-cport={port}", "-clisten_addresses=127.0.0.1",
                 "-cunix_socket_directories=", "-cfsync=off", "-cmax_prepared_transactions=2"],
                stdout=log, stderr=log, env={"PATH": os.environ["PATH"]}, **owner.options,
            )  # fmt: skip
        try:
            _wait_until_it_answers(port, process, home / "log")
            yield Standby(port, process)
        finally:
            process.send_signal(signal.SIGQUIT)  # at once: its data is thrown away
            process.wait(PATIENCE)
    finally:
        shutil.rmtree(home)


def _administrator(port: int, database: str = "postgres") -> Any:
    opened = psycopg2.connect(
        host="127.0.0.1", port=port, dbname=database, user=os.environ["PG_ADMIN_USER"],
        password=os.environ["PG_ADMIN_PASSWORD"], connect_timeout=5,
    )  # fmt: skip
    opened.autocommit = True
    return opened


def _wait_until_it_answers(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            _administrator(port).close()
        except psycopg2.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text(errors="replace")[-3000:])
