"""PgBouncer for the tests: the machine's own if it has one, else that of Debian's package, unpacked without being root.

Where neither can be had, the tests of it are skipped, and say so.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from processes import Failed, run, say

PROGRAM = "pgbouncer"
# Most accounts have no /usr/sbin on their PATH, and that is where Debian installs it.
_SYSTEM = "/usr/sbin"
_START = """#!/bin/sh
LD_LIBRARY_PATH='{libraries}' exec '{program}' "$@"
"""


def provide(home: Path) -> None:
    """Makes it one of the programs on PATH, if it can be had."""
    path = os.environ.get("PATH", os.defpath)
    ours = home / PROGRAM
    if not shutil.which(PROGRAM, path=os.pathsep.join([path, _SYSTEM])) and not (ours / PROGRAM).exists():
        _unpack(ours)
    os.environ["PATH"] = os.pathsep.join([path, _SYSTEM, str(ours)])


def _unpack(target: Path) -> None:
    if not shutil.which("apt-get"):
        return
    say(f"Unpacking Debian's PgBouncer in {target} …")
    shutil.rmtree(target, ignore_errors=True)
    (target / "lists" / "partial").mkdir(parents=True)
    try:
        _apt_get(target, "update")
        _apt_get(target, "download", PROGRAM)
        if libraries := _missing(next(target.glob("*.deb"))):
            _apt_get(target, "download", *libraries)
        for package in target.glob("*.deb"):
            run(["dpkg-deb", "--extract", package, target / "tree"], failure=f"{package} could not be unpacked.")
        draft = _start_of(target / "tree", target / "draft")
        run([draft, "--version"], failure=f"{draft} doesn't run here.", stdout=subprocess.DEVNULL)
    except Failed as failure:
        say(f"{failure} The tests that need PgBouncer are skipped.")
        return
    draft.rename(target / PROGRAM)
    shutil.rmtree(target / "lists")


def _start_of(tree: Path, path: Path) -> Path:
    """A program that starts the one in the tree, with the libraries there."""
    libraries = os.pathsep.join(str(path) for path in (tree / "usr" / "lib").glob("*-linux-*"))
    path.write_text(_START.format(libraries=libraries, program=tree / _SYSTEM.lstrip("/") / PROGRAM))
    path.chmod(0o755)
    return path


def _apt_get(target: Path, *arguments: str) -> None:
    """With lists and a cache of our own: those of the machine are root's, and may be empty."""
    options = {
        "Dir::State::lists": target / "lists",
        "Dir::Cache": target,
        "Acquire::Retries": 0,
        "APT::Sandbox::User": "root",
    }
    command = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items()), *arguments]
    run(command, failure=f"apt-get could not {arguments[0]} what PgBouncer needs.", cwd=target)


def _missing(package: Path) -> list[str]:
    """The libraries that this package depends on and this machine hasn't got."""
    depends = subprocess.run(["dpkg-deb", "--field", package, "Depends"], capture_output=True, text=True, check=True)
    wanted = set(re.findall(r"(?:^|, )(lib[^\s,]+)", depends.stdout))
    shown = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}\n", *wanted],
        capture_output=True,
        text=True,
    )
    present = {name for status, name in map(str.split, shown.stdout.splitlines()) if status == "installed"}
    return sorted(wanted - present)
