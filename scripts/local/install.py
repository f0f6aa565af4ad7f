"""Makes the virtual environment that a command needs, and becomes that command inside it.

Runs under the machine's Python, so it and what it imports use nothing but the standard library.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import binaries
from dotenv import ROOT, chosen
from processes import run, say, status_of


def home() -> Path:
    return (ROOT / Path(chosen("EECRM_HOME") or ".local").expanduser()).resolve()


def requirements(command: str) -> list[str]:
    if command == "test":
        return ["requirements-dev.txt", "requirements.txt", "requirements-local.txt"]
    if binaries.of_this_machine() or chosen("PG_HOST"):
        return ["requirements.txt"]
    return ["requirements.txt", "requirements-local.txt"]


def install(environment: Path, names: list[str]) -> None:
    """Brings the environment up to date. Whoever comes second waits, since scripts/run and scripts/test share it."""
    environment.parent.mkdir(parents=True, exist_ok=True)
    with open(environment.parent / "venv.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        python = environment / "bin" / "python"
        if not _works(python):
            say(f"Making a virtual environment in {environment} …")
            run([sys.executable, "-m", "venv", "--clear", environment], failure="It could not be made, see above.")
        record = environment / "installed.json"
        installed = json.loads(record.read_text()) if record.is_file() else {}
        wanted = {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in names}
        stale = [name for name in names if installed.get(name) != wanted[name]]
        if not stale:
            return
        say(f"Installing {', '.join(stale)} …")
        options = ["-qq", "--disable-pip-version-check", *(f"--requirement={ROOT / name}" for name in stale)]
        run([python, "-m", "pip", "install", *options], failure="The requirements could not be installed, see above.")
        record.write_text(json.dumps(installed | wanted, indent=1))


def _works(python: Path) -> bool:
    return python.exists() and subprocess.run([python, "-c", "import pip"], capture_output=True).returncode == 0


def main(command: str, *arguments: str) -> int:
    base = home()
    install(base / "venv", requirements(command))
    # Tests keep their state apart, so that they run while the demo does.
    os.environ["EECRM_HOME"] = str(base / "test" if command == "test" else base)
    python = str(base / "venv" / "bin" / "python")
    os.execv(python, [python, str(Path(__file__).parent), command, *arguments])


if __name__ == "__main__":
    sys.exit(status_of(main, *sys.argv[1:]))
