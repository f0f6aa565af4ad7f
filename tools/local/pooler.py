"""Provides PgBouncer for the tests: the machine's program, or else Debian's package, unpacked without root.

If neither is available, the tests that need PgBouncer are skipped with a message.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from processes import Failed, run, say

PROGRAM = "pgbouncer"
# Debian installs PgBouncer in this directory, which most accounts don't have on their PATH.
_SYSTEM = "/usr/sbin"
_LAUNCHER = """#!/bin/sh
LD_LIBRARY_PATH='{libraries}' exec '{program}' "$@"
"""


def provide(home: Path) -> None:
    """Adds the directory of PgBouncer to PATH, if the machine has PgBouncer or Debian's package can be unpacked."""
    path = os.environ.get("PATH", os.defpath)
    unpacked = home / PROGRAM
    if not shutil.which(PROGRAM, path=os.pathsep.join([path, _SYSTEM])) and not (unpacked / PROGRAM).exists():
        _unpack(unpacked)
    os.environ["PATH"] = os.pathsep.join([path, _SYSTEM, str(unpacked)])


def _unpack(target: Path) -> None:
    if not shutil.which("apt-get"):
        return
    say(f"Unpacking Debian's PgBouncer in {target} …")
    shutil.rmtree(target, ignore_errors=True)
    (target / "lists" / "partial").mkdir(parents=True)
    try:
        _apt_get(target, "update")
        _apt_get(target, "download", PROGRAM)
        if libraries := _missing_libraries(next(target.glob("*.deb"))):
            _apt_get(target, "download", *libraries)
        for package in target.glob("*.deb"):
            run(["dpkg-deb", "--extract", package, target / "tree"], failure=f"{package} could not be unpacked.")
        draft = _write_launcher(target / "tree", target / "draft")
        run([draft, "--version"], failure=f"{draft} doesn't run here.", stdout=subprocess.DEVNULL)
    except Failed as failure:
        say(f"{failure} The tests that need PgBouncer are skipped.")
        return
    draft.rename(target / PROGRAM)
    shutil.rmtree(target / "lists")


def _write_launcher(tree: Path, path: Path) -> Path:
    """Writes a shell script that starts the unpacked PgBouncer with the unpacked libraries."""
    libraries = os.pathsep.join(str(path) for path in (tree / "usr" / "lib").glob("*-linux-*"))
    path.write_text(_LAUNCHER.format(libraries=libraries, program=tree / _SYSTEM.lstrip("/") / PROGRAM))
    path.chmod(0o755)
    return path


def _apt_get(target: Path, *arguments: str) -> None:
    """Runs apt-get with separate package lists and a separate cache.

    The machine's lists and cache belong to root, and may be empty.
    """
    options = {
        "Dir::State::lists": target / "lists",
        "Dir::Cache": target,
        "Acquire::Retries": 0,
        "APT::Sandbox::User": "root",
    }
    command = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items()), *arguments]
    run(command, failure=f"apt-get could not {arguments[0]} what PgBouncer needs.", cwd=target)


def _missing_libraries(package: Path) -> list[str]:
    """Returns the libraries that a Debian package depends on and that aren't installed on this machine."""
    depends = subprocess.run(["dpkg-deb", "--field", package, "Depends"], capture_output=True, text=True, check=True)
    wanted = set(re.findall(r"(?:^|, )(lib[^\s,]+)", depends.stdout))
    listing = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}\n", *wanted],
        capture_output=True,
        text=True,
    )
    present = {name for status, name in map(str.split, listing.stdout.splitlines()) if status == "installed"}
    return sorted(wanted - present)
