"""Finds Node.js and npm on the machine, or installs them from a wheel. Installs npm packages from a lock file."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from own_server import ROOT

MIN_MAJOR = 20
_MANIFEST = ("package.json", "package-lock.json", ".npmrc")


def programs() -> dict[str, str]:
    """Returns environment variables in which the directory of `node` and `npm` comes first on PATH."""
    directory = _of_this_machine() or _of_the_wheel() or _install()
    return os.environ | {"PATH": os.pathsep.join([directory, os.environ.get("PATH", os.defpath)])}


def packages(source: Path, target: Path) -> None:
    """Installs the npm packages of the lock file in `source` into `target`/node_modules, unless they are installed."""
    target.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256(b"".join((source / name).read_bytes() for name in _MANIFEST)).hexdigest()
    record = target / "installed"
    if record.is_file() and record.read_text() == wanted:
        return
    for name in _MANIFEST:
        shutil.copyfile(source / name, target / name)
    run(["npm", "ci", "--silent"], target)
    record.write_text(wanted)


def run(command: list[str], directory: Path, **variables: str) -> None:
    """Runs a command with the npm packages' programs on PATH. Exits if the command fails.

    The command itself has then printed the reason.
    """
    environment = programs() | variables
    environment["PATH"] = os.pathsep.join([str(directory / "node_modules" / ".bin"), environment["PATH"]])
    if subprocess.run(command, cwd=directory, env=environment).returncode:
        sys.exit(f"{command[0]} failed, see above.")


def _of_this_machine() -> str | None:
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        return None
    try:
        version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
    except OSError:
        return None
    major = re.match(r"v(\d+)", version)
    return str(Path(node).parent) if major and int(major[1]) >= MIN_MAJOR else None


def _of_the_wheel() -> str | None:
    """Returns the directory of this Python if a wheel has installed `node` and `npm` there, else None."""
    directory = Path(sys.executable).parent
    return str(directory) if (directory / "npm").exists() else None


def _install() -> str:
    print("Installing Node.js …", flush=True)
    requirements = ROOT / "tools" / "shared" / "requirements-node.txt"
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    if subprocess.run([*pip, "--requirement", requirements]).returncode:
        sys.exit("Node.js could not be installed, see above.")
    return _of_the_wheel() or sys.exit("Node.js is installed, and not found.")
