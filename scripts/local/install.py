"""Makes the virtual environment that a command needs, and becomes that command inside it.

Runs under the machine's Python, so it imports nothing but the standard library.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import binaries

ROOT = Path(__file__).resolve().parents[2]


def home() -> Path:
    """Where state lives: `EECRM_HOME` from the environment or `.env`, read before anything that reads `.env` is there."""
    chosen = os.environ.get("EECRM_HOME") or _from_dotenv("EECRM_HOME")
    return ROOT / Path(chosen).expanduser() if chosen else ROOT / ".local"


def _from_dotenv(name: str) -> str:
    path = ROOT / ".env"
    value = ""
    for line in path.read_text().splitlines() if path.is_file() else []:
        key, separator, rest = line.partition("=")
        if separator and key.strip() == name:
            value = rest.strip().strip("'\"")
    return value


def requirements(command: str) -> list[str]:
    """The requirement files of a command; the first one includes the others, or they are installed one by one."""
    if command == "test":
        return ["requirements-dev.txt", "requirements.txt", "requirements-local.txt"]
    if binaries.of_this_machine():
        return ["requirements.txt"]
    return ["requirements.txt", "requirements-local.txt"]


def install(target: Path, names: list[str]) -> None:
    """Brings the environment up to date; whoever comes second waits, since scripts/run and scripts/test share it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target.parent / "venv.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _works(target):
            print(f"Making a virtual environment in {target} …", flush=True)
            venv.create(target, clear=True, with_pip=True)
        record = target / "installed.json"
        installed = json.loads(record.read_text()) if record.is_file() else {}
        wanted = {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in names}
        stale = [name for name in names if installed.get(name) != wanted[name]]
        if not stale:
            return
        print(f"Installing {', '.join(stale)} …", flush=True)
        pip = [target / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *(f"--requirement={ROOT / name}" for name in stale)], check=True)
        record.write_text(json.dumps(installed | wanted, indent=1))


def _works(target: Path) -> bool:
    python = target / "bin" / "python"
    return python.exists() and subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0


def main(command: str, *arguments: str) -> None:
    base = home()
    target = base / "venv"
    try:
        install(target, requirements(command))
    except subprocess.CalledProcessError as error:
        sys.exit(f"The requirements could not be installed (pip ended with {error.returncode}, see above).")
    except KeyboardInterrupt:
        sys.exit(130)
    # Tests keep their state apart, so that they run while the demo does.
    os.environ["EECRM_HOME"] = str(base / "test" if command == "test" else base)
    python = str(target / "bin" / "python")
    os.execv(python, [python, str(Path(__file__).parent), command, *arguments])


if __name__ == "__main__":
    main(*sys.argv[1:])
