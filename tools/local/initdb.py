"""Creates a new, empty data directory of PostgreSQL."""

import locale
import os
import shutil
from pathlib import Path
from typing import BinaryIO

from account import Account
from binaries import Binaries
from processes import run, say


def make(
    data: Path, programs: Binaries, owner: Account, settings: dict[str, str], *, log: Path, is_durable: bool
) -> None:
    say(f"Making a new database in {data} …")
    # The directory gets its final name only when it is complete, so an interrupted start leaves nothing incomplete.
    draft, password_file = data.with_name("data.new"), data.with_name("password")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    password_file.touch(mode=0o600)
    password_file.write_text(settings["PG_ADMIN_PASSWORD"])
    owner.own(draft)
    owner.own(password_file)
    command = [
        programs.path("initdb"),
        *(f"--pgdata={draft}", f"--username={settings['PG_ADMIN_USER']}", f"--pwfile={password_file}"),
        *("--auth=scram-sha-256", "--data-checksums", "--encoding=UTF8", f"--locale={_locale()}"),
        *(() if is_durable else ("--no-sync",)),
    ]
    failure = f"PostgreSQL could not make it; {log} says why."
    try:
        with private_log(log) as output:
            run(command, failure=failure, stdout=output, stderr=output, env=plain_environment(), **owner.options)
    finally:
        password_file.unlink()
    draft.rename(data)


def private_log(path: Path) -> BinaryIO:
    """Opens an empty log that only its owner can read, even if an earlier run left it readable to others."""
    log = open(path, "wb")
    os.fchmod(log.fileno(), 0o600)
    return log


def plain_environment() -> dict[str, str]:
    """Returns environment variables for PostgreSQL's programs, without PG… variables that may name another server.

    PG_LANGUAGE, such as "fr", chooses the language of the server's messages. The server gets it as LANGUAGE. LANGUAGE
    has no effect if the server's locale is C.
    """
    plain = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    return plain | ({"LANGUAGE": language} if (language := os.environ.get("PG_LANGUAGE")) else {})


def _locale() -> str:
    previous = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, "C.UTF-8")
    except locale.Error:
        return "C"
    locale.setlocale(locale.LC_ALL, previous)
    return "C.UTF-8"
