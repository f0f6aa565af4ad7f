"""Creates or updates the virtual environment of a command, then executes the command in this environment.

The machine's Python runs this program, so it and the modules that it imports use the standard library only.
"""

import fcntl
import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import binaries
import home
from dotenv import ROOT, chosen
from processes import Failed, run, say, status_of

RUN_ARGUMENTS = ([], ["--reset"])  # lists of arguments that scripts/run accepts


def requirements(command: str) -> list[str]:
    if command == "test":
        return ["requirements-dev.txt", "requirements.txt", "requirements-local.txt"]
    if binaries.of_this_machine() or chosen("PG_HOST"):
        return ["requirements.txt"]
    return ["requirements.txt", "requirements-local.txt"]


def install(environment: Path, names: list[str]) -> None:
    """Creates or updates the virtual environment.

    A lock protects the environment, because scripts/run and scripts/test share it.
    """
    with open(environment.parent / "venv.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # pip inherits the lock. If this process is killed, the next run therefore waits until pip has ended.
        inherited = [lock.fileno()]
        _close_to_others(environment)
        python = environment / "bin" / "python"
        if not _has_pip(python):
            say(f"Making a virtual environment in {environment} …")
            command = [sys.executable, "-m", "venv", "--clear", environment]
            run(command, failure="It could not be made, see above.", pass_fds=inherited)
        record = environment / "installed.json"
        installed = json.loads(record.read_text()) if record.is_file() else {}
        wanted = {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in names}
        stale = [name for name in names if installed.get(name) != wanted[name]]
        if not stale:
            return
        say(f"Installing {', '.join(stale)} …")
        options = ["-qq", "--disable-pip-version-check", *(f"--requirement={ROOT / name}" for name in stale)]
        pip = [python, "-m", "pip", "install", *options]
        run(pip, failure="The requirements could not be installed, see above.", pass_fds=inherited)
        record.write_text(json.dumps(installed | wanted, indent=1))


def _close_to_others(environment: Path) -> None:
    """Removes other users' access to a virtual environment that an earlier run made with a permissive umask."""
    if not environment.is_dir():
        return
    mode = stat.S_IMODE(environment.stat().st_mode)
    # If root runs this program, the directory's group keeps the right to enter.
    # The group is that of PostgreSQL's account, which may run programs in this directory.
    private = mode & (stat.S_IRWXU | (stat.S_IXGRP if os.geteuid() == 0 else 0))
    if mode == private:
        return
    for path, names, files in os.walk(environment):
        for name in (*names, *files):
            status = os.lstat(entry := Path(path, name))
            if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not stat.S_ISLNK(status.st_mode):
                entry.chmod(stat.S_IMODE(status.st_mode) & ~(stat.S_IWGRP | stat.S_IWOTH))
    environment.chmod(private)


def _has_pip(python: Path) -> bool:
    return python.exists() and subprocess.run([python, "-c", "import pip"], capture_output=True).returncode == 0


def main(command: str, *arguments: str) -> int:
    if command == "run":
        _check_run(list(arguments))
    umask = os.umask(0o077)
    state = home.of(command)
    try:
        lock = home.claim(state, f"scripts/{command}")
    except home.HomeInUse as in_use:
        if command != "manage" or in_use.holder != "scripts/run":
            raise
        # This command takes no lock. scripts/run holds the lock, and has started the database that the command uses.
        command = "manage-beside"
    else:
        os.set_inheritable(lock, True)  # so that the executed program keeps the lock until it ends
    if command == "run":
        home.web_port()
    environment = home.base() / "venv"
    install(environment, requirements(command))
    os.environ["EECRM_HOME"] = str(state)
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        # PYTHONDONTWRITEBYTECODE kept the repository clean. From now on, bytecode files go to another directory.
        # Without bytecode files, each process would compile all modules again.
        os.environ.setdefault("PYTHONPYCACHEPREFIX", str(environment / "bytecode"))
    python = str(environment / "bin" / "python")
    os.umask(umask)
    os.execv(python, [python, str(Path(__file__).parent), command, *arguments])


def _check_run(arguments: list[str]) -> None:
    if arguments not in RUN_ARGUMENTS:
        raise Failed("Usage: scripts/run [--reset]")
    if chosen("APP_ENV") == "production":
        raise Failed("APP_ENV is production, and scripts/run is for trying things out: see docs/ on how to deploy.")


if __name__ == "__main__":
    sys.exit(status_of(main, *sys.argv[1:]))
