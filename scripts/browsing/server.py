"""A `scripts/run` of our own, from nothing, as strict as production about the second factor."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from tempfile import TemporaryFile

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".local" / "browse"
PATIENCE = 300  # seconds, with an installation of all requirements
MAIL_PATIENCE = 30


@contextmanager
def running() -> Iterator[str]:
    """The address of the server, until the end of the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mine = {"EECRM_HOME": str(HOME), "PORT": str(port), "SECOND_FACTOR": "required"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG_")} | mine
    with TemporaryFile() as log:
        process = subprocess.Popen([ROOT / "scripts" / "run", "--reset"], env=environment, stdout=log, stderr=log)
        try:
            _wait_until_ready(process, log.fileno())
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def _wait_until_ready(process: "subprocess.Popen[bytes]", log: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        told = os.pread(log, 10_000_000, 0).decode(errors="replace")
        if re.search(r"^ready: ", told, re.MULTILINE):
            return
        if process.poll() is not None:
            sys.exit(f"scripts/run ended:\n{told[-3000:]}")
        time.sleep(0.2)
    sys.exit(f"scripts/run isn't ready after {PATIENCE} s.")


def link_in_mail(to: str) -> str:
    """The link in the newest mail to this address, once the worker has sent it."""
    deadline = time.monotonic() + MAIL_PATIENCE
    while time.monotonic() < deadline:
        for path in sorted((HOME / "mail").glob("*.eml"), key=lambda file: file.stat().st_mtime, reverse=True):
            message = message_from_bytes(path.read_bytes(), policy=policy.default)
            if to in str(message["To"]):
                found = re.search(r"https?://\S+", message.get_content())
                assert found, "a mail without a link"
                return found[0]
        time.sleep(0.2)
    sys.exit(f"No mail to {to} came within {MAIL_PATIENCE} s.")
