"""A file that lists the processes of a run. If the run is killed, the next run stops the listed processes."""

import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from system import orphans_of, started_at

MAX_STOP_SECONDS = 30  # seconds to wait after a signal, before the next, stronger signal is sent


class Entry(NamedTuple):
    pid: int
    started: str
    command: str
    signals: list[int]  # signal numbers, in the order in which `stop` sends them

    @property
    def is_running(self) -> bool:
        return started_at(self.pid) == self.started

    @property
    def orphans(self) -> list[int]:
        """Ids of processes that the listed process started and that still run after its end.

        An example is the workers of a killed gunicorn.
        """
        return [] if started_at(self.pid) is not None else orphans_of(self.pid, self.started)

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            if self.is_running:
                self._stop_leader()
        for pid in self.orphans:
            with suppress(ProcessLookupError):
                os.kill(pid, self.signals[-1])
        _wait_until(lambda: not self.orphans)

    def _stop_leader(self) -> None:
        leads_a_group = os.getpgid(self.pid) == self.pid
        for number in self.signals:
            os.kill(self.pid, number)
            if _wait_until(lambda: not self.is_running):
                break
        if leads_a_group:
            # Children may not notice that the leader of their group has ended, so the whole group is killed.
            os.killpg(self.pid, self.signals[-1])


def _wait_until(is_done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + MAX_STOP_SECONDS
    while not is_done() and time.monotonic() < deadline:
        time.sleep(0.05)
    return is_done()


class Ledger:
    """The list of a run's processes in a file.

    The file is replaced atomically, so that it is complete even after a kill.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: list[Entry] = []

    def leftovers(self) -> list[Entry]:
        """Returns the processes of an earlier run that still exist. The process that started last comes first."""
        try:
            written = [Entry(*fields) for fields in json.loads(self.path.read_text())]
        except (OSError, ValueError, TypeError):  # the file is missing, or wasn't written by this class
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
