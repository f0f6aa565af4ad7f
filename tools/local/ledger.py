"""The processes of one run, on disk: after `kill -9` of it, the next run knows what to stop."""

import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from system import left_of, started_at

PATIENCE = 30  # Seconds until the next, ruder signal.


class Entry(NamedTuple):
    pid: int
    started: str
    command: str
    signals: list[int]  # From the most polite one.

    @property
    def is_running(self) -> bool:
        return started_at(self.pid) == self.started

    @property
    def orphans(self) -> list[int]:
        """What is left of the group of a leader that has ended, as by a `kill -9`: its workers go on listening for a while."""
        return [] if started_at(self.pid) is not None else left_of(self.pid, self.started)

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            if self.is_running:
                self._stop_leader()
        for pid in self.orphans:
            with suppress(ProcessLookupError):
                os.kill(pid, self.signals[-1])
        _in_time(lambda: not self.orphans)

    def _stop_leader(self) -> None:
        leads_a_group = os.getpgid(self.pid) == self.pid
        for number in self.signals:
            os.kill(self.pid, number)
            if _in_time(lambda: not self.is_running):
                break
        if leads_a_group:
            os.killpg(self.pid, self.signals[-1])  # Its own children may not notice that it has gone.


def _in_time(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds()


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
        return [entry for entry in reversed(written) if entry.is_running or entry.orphans]

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
