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

    def keep_private(self, directory: Path) -> None:
        """Makes a directory of ours that nobody else may enter; the account may pass through it, and no more than pass."""
        directory.mkdir(parents=True, exist_ok=True)
        if not self.is_ours:
            os.chown(directory, -1, self.gid)
        directory.chmod(stat.S_IRWXU if self.is_ours else stat.S_IRWXU | stat.S_IXGRP)

    def open_way_to(self, path: Path) -> None:
        """Lets the account pass through the directories above `path`, and no more than pass.

        Usually there is nothing to do; a clone in a root-owned `mktemp -d` or a strict umask is the exception.
        """
        if self.is_ours:
            return
        closed = [directory for directory in reversed(path.parents) if self._may_not(directory, stat.S_IXOTH)]
        for directory in closed:
            self._let(directory, stat.S_IXOTH)
        if closed:
            say(
                f"Made {', '.join(map(str, closed))} searchable for {self.name}, because PostgreSQL runs as that account here"
                f" and must get to {path}."
            )

    def open_tree(self, tree: Path) -> None:
        """Lets the account read what we installed for it."""
        if self.is_ours:
            return
        for directory, _, files in os.walk(tree):
            self._let(Path(directory), stat.S_IROTH | stat.S_IXOTH)
            for name in files:
                file = Path(directory, name)
                is_program = file.stat().st_mode & stat.S_IXUSR
                self._let(file, stat.S_IROTH | (stat.S_IXOTH if is_program else 0))

    def _may_not(self, path: Path, bits: int) -> int:
        """Those of the bits, as of others, that the account lacks."""
        status = path.stat()
        if status.st_uid == self.uid:
            return bits & ~(status.st_mode >> 6)
        return bits & ~(status.st_mode >> 3 if status.st_gid == self.gid else status.st_mode)

    def _let(self, path: Path, bits: int) -> None:
        """Gives the account these bits, by its group where that takes nothing from another one: everybody else stays out."""
        missing = self._may_not(path, bits)
        if not missing:
            return
        status = path.stat()
        mode = stat.S_IMODE(status.st_mode)
        if status.st_uid == self.uid:
            path.chmod(mode | missing << 6)
        elif status.st_gid == self.gid or not mode & stat.S_IRWXG:
            os.chown(path, -1, self.gid)
            path.chmod(mode | missing << 3)
        else:
            path.chmod(mode | missing)


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
