"""The account that PostgreSQL runs as: our own, or an unprivileged one if we are root, as which it refuses to run."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import Failed, say


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int

    @property
    def is_ours(self) -> bool:
        return self.uid == os.geteuid()

    @property
    def options(self) -> dict[str, Any]:
        """For subprocess; with a working directory that any account may enter."""
        if self.is_ours:
            return {"cwd": "/"}
        return {"cwd": "/", "user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Gives a file, or a directory with all that is in it, to the account."""
        if self.is_ours or path.stat().st_uid == self.uid:
            return
        for directory, _, files in os.walk(path):
            for name in (".", *files):
                os.chown(Path(directory, name), self.uid, self.gid, follow_symlinks=False)
        os.chown(path, self.uid, self.gid)

    def open_way_to(self, path: Path) -> None:
        """Lets the account pass through the directories above `path`, and no more than pass.

        Usually there is nothing to do; a clone in a root-owned `mktemp -d` or a strict umask is the exception.
        """
        if self.is_ours:
            return
        closed = [directory for directory in reversed(path.parents) if self._missing_search_bit(directory)]
        for directory in closed:
            _add_mode(directory, self._missing_search_bit(directory))
        if closed:
            say(
                f"Made {', '.join(map(str, closed))} searchable (chmod o+x), because PostgreSQL runs as {self.name} here"
                f" and must get to {path}."
            )

    def open_tree(self, tree: Path) -> None:
        """Lets the account read what we installed for it."""
        if self.is_ours:
            return
        for directory, _, files in os.walk(tree):
            _add_mode(Path(directory), stat.S_IROTH | stat.S_IXOTH)
            for name in files:
                file = Path(directory, name)
                is_program = file.stat().st_mode & stat.S_IXUSR
                _add_mode(file, stat.S_IROTH | (stat.S_IXOTH if is_program else 0))

    def _missing_search_bit(self, directory: Path) -> int:
        status = directory.stat()
        if status.st_uid == self.uid:
            return stat.S_IXUSR & ~status.st_mode
        return (stat.S_IXGRP if status.st_gid == self.gid else stat.S_IXOTH) & ~status.st_mode


def _add_mode(path: Path, bits: int) -> None:
    path.chmod(stat.S_IMODE(path.stat().st_mode) | bits)


def for_server() -> Account:
    if os.geteuid() != 0:
        return Account(f"account {os.geteuid()}", os.geteuid(), os.getegid())
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise Failed("PostgreSQL refuses to run as root, and there is no account postgres or nobody: use another account.")
