"""Starts a separate `scripts/run`, with its own database and port, for tools.

The user may run another `scripts/run` at the same time.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCAL = Path(sys.prefix).parent  # directory for files of the scripts; the virtual environment is in it
MAX_START_SECONDS = 300


class OwnServer:
    """A server that starts in the background.

    `address` waits until the server is ready, or ends the program if the server failed.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: int) -> None:
        self.process, self._port, self._log = process, port, log

    @property
    def address(self) -> str:
        deadline = time.monotonic() + MAX_START_SECONDS
        while time.monotonic() < deadline:
            output = os.pread(self._log, 10_000_000, 0).decode(errors="replace")
            if re.search(r"^ready: ", output, re.MULTILINE):
                return f"http://127.0.0.1:{self._port}"
            if self.process.poll() is not None:
                sys.exit(f"scripts/run ended:\n{output[-3000:]}")
            time.sleep(0.2)
        sys.exit(f"scripts/run isn't ready after {MAX_START_SECONDS} s.")


@contextmanager
def running(home: Path, *, is_reset: bool = True, **settings: str) -> Iterator[OwnServer]:
    """Runs a server during the block. The server keeps its files in `home`.

    `is_reset` deletes the server's database first. `settings` are variables of .env.sample.
    """
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "venv").exists():
        (home / "venv").unlink(missing_ok=True)
        # Without this symbolic link, the server would install all packages again.
        (home / "venv").symlink_to(sys.prefix)
    if not (lock := home / "lock").exists() or not lock.stat().st_size:
        lock.write_text(f"{os.getpid()} scripts/run\n")  # else scripts/run refuses a directory that has files already
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PG_", "PYTHONPATH"))}
    environment = inherited | {"EECRM_HOME": str(home), "PORT": str(port)} | settings
    # SIGTERM must raise an exception, so that the block ends and `finally` stops the server.
    signal.signal(signal.SIGTERM, lambda signum, _: sys.exit(128 + signum))
    with open(home / "run.log", "w+b") as log:
        command = [ROOT / "scripts" / "run", *(["--reset"] if is_reset else [])]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield OwnServer(process, port, log.fileno())
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
