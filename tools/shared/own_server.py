"""A `scripts/run` of our own, from nothing, next to the one that a person may be running."""

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
LOCAL = Path(sys.prefix).parent  # What scripts make lies next to their virtual environment.
PATIENCE = 300  # seconds


class OwnServer:
    """It starts while its owner does something else: only who asks for its address waits."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: int) -> None:
        self.process, self._port, self._log = process, port, log

    @property
    def address(self) -> str:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            told = os.pread(self._log, 10_000_000, 0).decode(errors="replace")
            if re.search(r"^ready: ", told, re.MULTILINE):
                return f"http://127.0.0.1:{self._port}"
            if self.process.poll() is not None:
                sys.exit(f"scripts/run ended:\n{told[-3000:]}")
            time.sleep(0.2)
        sys.exit(f"scripts/run isn't ready after {PATIENCE} s.")


@contextmanager
def running(home: Path, *, is_reset: bool = True, **settings: str) -> Iterator[OwnServer]:
    """A server with its state in `home`, emptied first unless `is_reset` is false, until the end of the block; `settings` are
    variables of .env.sample."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "venv").exists():
        (home / "venv").unlink(missing_ok=True)
        (home / "venv").symlink_to(sys.prefix)  # or it would install everything once more
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PG_", "PYTHONPATH"))}
    environment = inherited | {"EECRM_HOME": str(home), "PORT": str(port)} | settings
    signal.signal(
        signal.SIGTERM, lambda signum, _: sys.exit(128 + signum)
    )  # so that the block ends, and the server with it
    with open(home / "run.log", "w+b") as log:  # to be read where something went wrong
        command = [ROOT / "scripts" / "run", *(["--reset"] if is_reset else [])]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield OwnServer(process, port, log.fileno())
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
