"""Generates settings once for each machine: secret keys, passwords, and the port of the private PostgreSQL."""

import os
import re
import secrets
import socket
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

from dotenv import read

# Matches the PG_ variables of logins that the application never uses: migrator, administrator, reports and backups.
OTHER_LOGINS = re.compile(r"PG_[A-Z]+_(USER|PASSWORD)(_FILE)?")
HEADER = "# Made by scripts/run or scripts/test for this machine only; the environment and .env go before it.\n"


def make_keys() -> dict[str, str]:
    return {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "JWT_SIGNING_KEY": secrets.token_hex(48),
        "SECOND_FACTOR_KEY": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }


def make_server_settings(database: str) -> dict[str, str]:
    """Returns the settings of a new private server. The generated passwords need no quotes in a `.env` file."""
    return {
        "PG_HOST": "127.0.0.1",
        "PG_PORT": str(free_port()),
        "PG_SSLMODE": "prefer",
        "PG_DATABASE": database,
        "PG_USER": "eecrm_app",
        "PG_PASSWORD": secrets.token_urlsafe(24),
        "PG_MIGRATOR_USER": "eecrm_migrator",
        "PG_MIGRATOR_PASSWORD": secrets.token_urlsafe(24),
        "PG_REPORT_PASSWORD": secrets.token_urlsafe(24),
        "PG_BACKUP_PASSWORD": secrets.token_urlsafe(24),
        "PG_ADMIN_USER": "eecrm_admin",
        "PG_ADMIN_PASSWORD": secrets.token_urlsafe(24),
    }


def add_missing(path: Path, wanted: dict[str, str]) -> dict[str, str]:
    """Adds missing variables to a file and returns all variables.

    Existing values are kept, because the data and the sessions depend on them.
    """
    values = wanted | read(path)
    write(path, values)
    return values


def write(path: Path, values: dict[str, str]) -> None:
    """Replaces the file atomically. Only its owner can read the new file, even while the file is being written."""
    if values == read(path):
        return
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(HEADER + "".join(f"{name}={value}\n" for name, value in values.items()))
    draft.replace(path)


def select_for_application(values: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables that the web server and the worker may know, without logins such as the migrator's."""
    return {name: value for name, value in values.items() if not OTHER_LOGINS.fullmatch(name)}


def select_for_migrator(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name.startswith("PG_MIGRATOR_")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # The check sets SO_REUSEADDR, as servers do.
        # Without this option, a port seems taken while an earlier server's connections close.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
