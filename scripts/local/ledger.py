"""The processes of one run, on disk: after `kill -9` of it, the next run knows what to stop."""

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from system import started_at

PATIENCE = 30  # Seconds until the next, ruder signal.


class Entry(NamedTuple):
    pid: int
    started: str
    command: str
    signals: list[int]  # From the most polite one.

    @property
    def is_running(self) -> bool:
        return started_at(self.pid) == self.started

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            leads_a_group = os.getpgid(self.pid) == self.pid
            for number in self.signals:
                os.kill(self.pid, number)
                if self._ends_in_time():
                    break
            if leads_a_group:
                os.killpg(self.pid, self.signals[-1])  # Its own children may not notice that it has gone.

    def _ends_in_time(self) -> bool:
        deadline = time.monotonic() + PATIENCE
        while self.is_running and time.monotonic() < deadline:
            time.sleep(0.05)
        return not self.is_running


class Ledger:
    """The file is replaced as a whole, so that a kill leaves the old one or the new one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: list[Entry] = []

    def leftovers(self) -> list[Entry]:
        """The processes of an earlier run that are still there; the one that was started last comes first."""
        try:
            written = [Entry(*fields) for fields in json.loads(self.path.read_text())]
        except (OSError, ValueError, TypeError):  # There is none, or none that we wrote.
            return []
        return [entry for entry in reversed(written) if entry.is_running]

    def add(self, pid: int, command: str, signals: Sequence[int]) -> None:
        started = started_at(pid)
        if started is not None:
            self._entries.append(Entry(pid, started, command, list(signals)))
            self._write()

    def remove(self, pid: int) -> None:
        self._entries = [entry for entry in self._entries if entry.pid != pid]
        self._write()

    def _write(self) -> None:
        draft = self.path.with_suffix(".new")
        draft.write_text(json.dumps(self._entries))
        draft.replace(self.path)
