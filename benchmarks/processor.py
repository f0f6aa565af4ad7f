"""What Linux knows of processes: the processor time that they used, and their memory."""

import ctypes
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from processes import Failed


class Clocks:
    """How much processor time some processes have used so far, in seconds, with all threads that they have or had."""

    def __init__(self, pids: Iterable[int]) -> None:
        self.used = {pid: _seconds(pid) for pid in pids}

    def since(self, before: "Clocks") -> float:
        """Raises Failed where a process has ended meanwhile: nobody knows what it used."""
        if gone := before.used.keys() - self.used.keys():
            raise Failed(f"The processes {gone} ended while they were measured.")
        return sum(seconds - before.used.get(pid, 0) for pid, seconds in self.used.items())


class Memory(NamedTuple):
    """MiB of a process: all that it has in memory, that with shared pages divided among those who share them, and without these."""

    rss: float
    pss: float
    own: float


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def memory(pid: int) -> Memory:
    found = re.findall(r"^(\w+): +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    told = {name: int(kibibytes) / 1024 for name, kibibytes in found}
    return Memory(told["Rss"], told["Pss"], told["Private_Clean"] + told["Private_Dirty"])


def _seconds(pid: int) -> float:
    """User and system time by the process's own clock (POSIX, clock_getcpuclockid): in nanoseconds, where /proc/PID/stat
    counts hundredths of a second, and with threads that have ended, which /proc/PID/task forgets."""
    clock = ctypes.c_int()
    if error := ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise Failed(f"The processor time of process {pid} can't be read: {os.strerror(error)}.")
    return time.clock_gettime(clock.value)
