"""The system account that runs the private PostgreSQL server, and the access of this account to files.

This account is the user's own. For root it is an unprivileged account, because PostgreSQL refuses to run as root.
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
        """Returns options with which subprocess starts a program under this account.

        The working directory is /, because every account may enter it.
        """
        if self.is_current:
            return {"cwd": "/"}
        return {"cwd": "/", "user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Makes this account the owner of a file, or of a directory with its content."""
        if self.is_current or path.stat().st_uid == self.uid:
            return
        for directory, _, files in os.walk(path):
            for name in (".", *files):
                os.chown(Path(directory, name), self.uid, self.gid, follow_symlinks=False)
        os.chown(path, self.uid, self.gid)

    def keep_private(self, directory: Path) -> None:
        """Creates a directory for the current user only.

        The server's account may enter the directory, but not list it.
        """
        directory.mkdir(parents=True, exist_ok=True)
        if not self.is_current:
            os.chown(directory, -1, self.gid)
        directory.chmod(stat.S_IRWXU if self.is_current else stat.S_IRWXU | stat.S_IXGRP)

    def open_way_to(self, path: Path) -> None:
        """Lets this account enter the directories above `path`, without listing them.

        This is needed if root has cloned the repository into a closed directory, such as one made by `mktemp -d`.
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
        """Lets this account read all files below a directory and run the programs there."""
        if self.is_current:
            return
        for directory, _, files in os.walk(tree):
            self._grant(Path(directory), stat.S_IROTH | stat.S_IXOTH)
            for name in files:
                file = Path(directory, name)
                is_program = file.stat().st_mode & stat.S_IXUSR
                self._grant(file, stat.S_IROTH | (stat.S_IXOTH if is_program else 0))

    def _missing_bits(self, path: Path, bits: int) -> int:
        """Returns those of the permissions in `bits` that this account doesn't have on a path.

        `bits` and the result are written as permissions of "others", such as S_IXOTH.
        """
        status = path.stat()
        if status.st_uid == self.uid:
            return bits & ~(status.st_mode >> 6)
        return bits & ~(status.st_mode >> 3 if status.st_gid == self.gid else status.st_mode)

    def _grant(self, path: Path, bits: int) -> None:
        """Gives this account rights on a path. `bits` are written as permissions of "others", such as 0o5.

        If the account owns the path, the owner gets the rights. If the path's group has no rights, or is the account's
        group, the path gets the account's group, and this group gets the rights. In all other cases, "others" get the
        rights.
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
