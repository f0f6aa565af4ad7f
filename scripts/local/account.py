"""The account that PostgreSQL runs under: our own, or an unprivileged one when we are root, as which it refuses to run."""

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
        """For subprocess. The working directory must be one that the account may enter."""
        if self.is_ours:
            return {"cwd": "/"}
        return {"cwd": "/", "user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Gives a file, or a directory with all that is in it, to the account."""
        if self.is_ours or path.stat().st_uid == self.uid:
            return
        os.chown(path, self.uid, self.gid)
        for directory, directories, files in os.walk(path):
            for name in (*directories, *files):
                os.chown(Path(directory, name), self.uid, self.gid, follow_symlinks=False)

    def open_way_to(self, path: Path) -> None:
        """Lets the account pass through the directories above `path`, and no more than pass.

        A clone in a root-owned `mktemp -d` is the usual reason, or a strict umask.
        """
        if self.is_ours:
            return
        closed = [directory for directory in reversed(path.resolve().parents) if self._missing_search_bit(directory)]
        for directory in closed:
            _add_mode(directory, self._missing_search_bit(directory))
        if closed:
            say(
                f"Made {', '.join(map(str, closed))} searchable (chmod o+x):"
                f" PostgreSQL runs as {self.name}, who must get to {path}."
            )

    def open_tree(self, path: Path) -> None:
        """Lets the account read all of a tree of ours, which a strict umask may have closed to it."""
        if self.is_ours:
            return
        for directory, _, files in os.walk(path):
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
        return Account(str(os.geteuid()), os.geteuid(), os.getegid())
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise Failed("PostgreSQL doesn't run as root, and this machine has no account postgres or nobody: use another account.")
