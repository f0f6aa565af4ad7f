"""gunicorn as deploy/gunicorn.conf.py says it, and PgBouncer as deploy/pgbouncer.ini does, at the tests' database."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Self

import psycopg2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.db import connection

from config.environment import ROOT
from conftest import PATIENCE

PROGRAM = shutil.which("pgbouncer")
MISSING = "There is no PgBouncer on PATH, and scripts/test can unpack one only where Debian's apt-get and packages are."
WORKERS, POOL = 4, 2  # fewer connections than workers, so that they have to share
OTHERS = (
    "FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
)

# After what deploy/pgbouncer.ini says, whose last section goes on here: where things are on this machine.
_HERE = """
%include {sample}
listen_port = {listen_port}
default_pool_size = {pool}
auth_file = {home}/userlist.txt
client_tls_cert_file = {home}/tls.crt
client_tls_key_file = {home}/tls.key
server_tls_sslmode = prefer
server_tls_ca_file = {home}/tls.crt
{user}
[databases]
{database} = host={host} port={port} dbname={database}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """A process with its log, which is started, stopped and started again."""

    def __init__(
        self, command: list[str], log: Path, is_ready: Callable[[], bool], *, end: signal.Signals, **variables: str
    ) -> None:
        self.command, self.log, self.is_ready, self.end = command, log, is_ready, end
        self.environment = os.environ | variables

    def start(self) -> None:
        with self.log.open("a") as output:
            self.process = subprocess.Popen(self.command, stdout=output, stderr=output, env=self.environment)
        deadline = time.monotonic() + PATIENCE
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(self.log.read_text()[-3000:])
            time.sleep(0.02)

    def stop(self) -> None:
        self.process.send_signal(self.end)
        self.process.wait(PATIENCE)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def pooler(home: Path, port: int) -> Program:
    settings = connection.settings_dict
    _write_secret(home / "userlist.txt", settings["USER"])
    _write_certificate(home / "tls.crt", home / "tls.key")
    ini = home / "pgbouncer.ini"
    ini.write_text(
        _HERE.format(
            sample=ROOT / "deploy" / "pgbouncer.ini", home=home, listen_port=port, pool=POOL,
            database=settings["NAME"], host=settings["HOST"], port=settings["PORT"],
            user="user = nobody" if os.geteuid() == 0 else "",  # as root it refuses to work, as PostgreSQL does
        )
    )  # fmt: skip
    return Program([str(PROGRAM), str(ini)], home / "pgbouncer.log", lambda: _listens(port), end=signal.SIGKILL)


def api(home: Path, port: int, **variables: str) -> Program:
    """gunicorn with the deployment's own configuration, where the database is what `variables` say."""
    command = [sys.executable, "-m", "gunicorn", f"--config={ROOT / 'deploy' / 'gunicorn.conf.py'}"]
    given = {
        "PG_DATABASE": connection.settings_dict["NAME"], "EECRM_HOME": str(home), "RATE_LIMIT_FACTOR": "1000",
        "PORT": str(port), "WEB_CONCURRENCY": str(WORKERS),
    }  # fmt: skip
    return Program(command, home / "gunicorn.log", lambda: _answers(port), end=signal.SIGTERM, **given | variables)


def end_connections(which: str = "true") -> None:
    """Those of eecrm_app to this database, and not our own."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_terminate_backend(pid, 5000) {OTHERS} AND {which}")


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
        return True
    return False


def _answers(port: int) -> bool:
    line = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with suppress(OSError, HTTPException):
        line.request("GET", "/health/live/")
        return line.getresponse().status == 200
    return False


def _write_secret(path: Path, user: str) -> None:
    """As the comment in deploy/pgbouncer.ini says."""
    administrator = {"user": os.environ["PG_ADMIN_USER"], "password": os.environ["PG_ADMIN_PASSWORD"]}
    server = {"host": connection.settings_dict["HOST"], "port": connection.settings_dict["PORT"], "dbname": "postgres"}
    opened: Any = psycopg2.connect(**server, **administrator)
    with opened.cursor() as cursor:
        cursor.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [user])
        (secret,) = cursor.fetchone()
    opened.close()
    path.touch(0o600)
    path.write_text(f'"{user}" "{secret}"\n')


def _write_certificate(certificate: Path, key: Path) -> None:
    """For an hour, by itself."""
    private, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    key.touch(0o600)
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
