"""The system account that PostgreSQL runs as.

This is the current account. For root it is an unprivileged one, because PostgreSQL refuses to run as root.
"""

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
    def is_current(self) -> bool:
        return self.uid == os.geteuid()

    @property
    def options(self) -> dict[str, Any]:
        """Options for subprocess. The working directory is one that any account may enter."""
        if self.is_current:
            return {"cwd": "/"}
        return {"cwd": "/", "user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Makes the account the owner of a file, or of a directory with its content."""
        if self.is_current or path.stat().st_uid == self.uid:
            return
        for directory, _, files in os.walk(path):
            for name in (".", *files):
                os.chown(Path(directory, name), self.uid, self.gid, follow_symlinks=False)
        os.chown(path, self.uid, self.gid)

    def keep_private(self, directory: Path) -> None:
        """Creates a directory for the current user only. The account may pass through it, but not list it."""
        directory.mkdir(parents=True, exist_ok=True)
        if not self.is_current:
            os.chown(directory, -1, self.gid)
        directory.chmod(stat.S_IRWXU if self.is_current else stat.S_IRWXU | stat.S_IXGRP)

    def open_way_to(self, path: Path) -> None:
        """Lets the account pass through the directories above `path`, without listing them.

        This is needed for a clone in a directory that root made with `mktemp -d`, or after a strict umask.
        """
        if self.is_current:
            return
        closed = [directory for directory in reversed(path.parents) if self._missing_bits(directory, stat.S_IXOTH)]
        for directory in closed:
            self._grant(directory, stat.S_IXOTH)
        if closed:
            say(
                f"Made {', '.join(map(str, closed))} searchable for {self.name}, because PostgreSQL runs as that "
                "account here"
                f" and must get to {path}."
            )

    def open_tree(self, tree: Path) -> None:
        """Lets the account read an installed tree and run its programs."""
        if self.is_current:
            return
        for directory, _, files in os.walk(tree):
            self._grant(Path(directory), stat.S_IROTH | stat.S_IXOTH)
            for name in files:
                file = Path(directory, name)
                is_program = file.stat().st_mode & stat.S_IXUSR
                self._grant(file, stat.S_IROTH | (stat.S_IXOTH if is_program else 0))

    def _missing_bits(self, path: Path, bits: int) -> int:
        """The permission bits that the account lacks; both `bits` and the result are in the position of "others"."""
        status = path.stat()
        if status.st_uid == self.uid:
            return bits & ~(status.st_mode >> 6)
        return bits & ~(status.st_mode >> 3 if status.st_gid == self.gid else status.st_mode)

    def _grant(self, path: Path, bits: int) -> None:
        """Gives the account these permission bits.

        They are given to its group where that takes nothing from another group, because all others stay excluded then.
        """
        missing = self._missing_bits(path, bits)
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
