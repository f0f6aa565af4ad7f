"""Node.js and npm: the machine's own if they will do, else those of a wheel; and packages, pinned by a lock file."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from own_server import ROOT

OLDEST = 20
_MANIFEST = ("package.json", "package-lock.json", ".npmrc")


def programs() -> dict[str, str]:
    """The environment in which `node` and `npm` are found first."""
    directory = _of_this_machine() or _of_the_wheel() or _install()
    return os.environ | {"PATH": os.pathsep.join([directory, os.environ.get("PATH", os.defpath)])}


def packages(source: Path, target: Path) -> None:
    """What the lock file in `source` names, in `target`/node_modules. It is fast where they are there already."""
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
    """With the programs of the packages, too. Ends everything where it fails: it has said why."""
    environment = programs() | variables
    environment["PATH"] = os.pathsep.join([str(directory / "node_modules" / ".bin"), environment["PATH"]])
    if subprocess.run(command, cwd=directory, env=environment).returncode:
        sys.exit(f"{command[0]} failed, see above.")


def _of_this_machine() -> str | None:
    found = shutil.which("node")
    if not found or not shutil.which("npm"):
        return None
    try:
        shown = subprocess.run([found, "--version"], capture_output=True, text=True).stdout
    except OSError:
        return None
    major = re.match(r"v(\d+)", shown)
    return str(Path(found).parent) if major and int(major[1]) >= OLDEST else None


def _of_the_wheel() -> str | None:
    """Next to our Python: its programs `node` and `npm` call those inside the package."""
    directory = Path(sys.executable).parent
    return str(directory) if (directory / "npm").exists() else None


def _install() -> str:
    print("Installing Node.js …", flush=True)
    requirements = ROOT / "tools" / "shared" / "requirements-node.txt"
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    if subprocess.run([*pip, "--requirement", requirements]).returncode:
        sys.exit("Node.js could not be installed, see above.")
    return _of_the_wheel() or sys.exit("Node.js is installed, and not found.")
