"""Finds and locks the private directory of a script's state: `EECRM_HOME`, or `.local`.

Because of the lock, only one script at a time uses the directory.
"""

import fcntl
import os
import re
import stat
from pathlib import Path

import account
import generated
import system
from account import Account
from dotenv import ROOT, chosen, is_set
from processes import Failed, keep_ledger

# Text of our lock file, such as "4711 scripts/run". Directories of others, such as /var, also have an entry named `lock`.
_OUR_LOCK = re.compile(rb"[0-9]+ scripts/[a-z-]+\n")


class HomeInUse(Failed):
    """Another script uses the directory now. `holder` is the name of that script, such as "scripts/run"."""

    def __init__(self, directory: Path, holder: str, pid: str) -> None:
        super().__init__(
            f"{holder} runs already with its state in {directory} (process {pid}): stop that one,"
            " or give this one another directory with EECRM_HOME."
        )
        self.holder = holder


def base() -> Path:
    return (ROOT / Path(chosen("EECRM_HOME") or ".local").expanduser()).resolve()


def of(command: str) -> Path:
    """Returns the state directory for a command.

    Tests have a separate directory, so that they can run while the demo runs.
    """
    return base() / "test" if command == "test" else base()


def claim(directory: Path, script: str) -> int:
    """Locks the state directory, and stops processes that an earlier run left behind.

    Returns a file descriptor. The lock ends when this descriptor is closed. Raises HomeInUse if another process has the
    lock. Raises Failed if EECRM_HOME has files that don't come from this project, because all files there become
    private.
    """
    is_ours = base() == ROOT / ".local" or _has_our_lock(base()) or _has_our_lock(base() / "test")
    if base().is_dir() and any(base().iterdir()) and not is_ours:
        raise Failed(
            f"{base()} has files that no script of this project wrote, and all files in EECRM_HOME become private:"
            " name a new or an empty directory."
        )
    owner = account.for_server()
    for private in (base(), directory):
        owner.keep_private(private)
    _close_to_others(directory, owner)
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, _, holder = os.pread(lock, 100, 0).decode().strip().partition(" ")
        raise HomeInUse(directory, holder or script, pid) from None
    # The text is replaced before the file is cut, so that a script that starts now doesn't find an empty file.
    os.ftruncate(lock, os.pwrite(lock, f"{os.getpid()} {script}\n".encode(), 0))
    keep_ledger(ledger(directory))
    return lock


def _has_our_lock(directory: Path) -> bool:
    """True if an earlier run wrote its lock file into the directory."""
    lock = directory / "lock"
    if lock.is_symlink() or not lock.is_file():
        return False
    with lock.open("rb") as file:
        return _OUR_LOCK.match(file.read(100)) is not None


def ledger(directory: Path) -> Path:
    return directory / "processes.json"


def _close_to_others(directory: Path, owner: Account) -> None:
    """Removes other users' access to files that an earlier run wrote with another umask.

    The virtual environment and the database's data are skipped, because their access rights are set elsewhere.
    """
    for path, names, files in os.walk(directory):
        names[:] = [name for name in names if name not in ("venv", "data", "test")]
        for name in (*names, *files):
            status = os.lstat(entry := Path(path, name))
            is_passage = stat.S_ISDIR(status.st_mode) and not owner.is_current and status.st_gid == owner.gid
            kept = stat.S_IRWXU | (stat.S_IXGRP if is_passage else 0)
            is_open = stat.S_IMODE(status.st_mode) & ~kept
            if is_open and status.st_uid == os.geteuid() and not stat.S_ISLNK(status.st_mode):
                entry.chmod(status.st_mode & kept)


def web_port() -> int:
    """Returns the port for the web server. Raises Failed if another process uses this port.

    The function is called before anything is installed or changed.
    """
    value = chosen("PORT") if is_set("PORT") else "8000"
    if not (value.isascii() and value.isdecimal()) or not 0 < int(value) < 65536:
        raise Failed(f"PORT must be a number from 1 to 65535, not {value or 'empty'}.")
    if not generated.is_free(int(value)):
        raise Failed(
            f"Port {value} of 127.0.0.1 is taken{_listener_text(int(value))}: stop what listens there,"
            " or choose another one with PORT."
        )
    return int(value)


def _listener_text(port: int) -> str:
    pid = system.listener(port)
    return f" by process {pid} ({system.command_of(pid)})" if pid else ""
