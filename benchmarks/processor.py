"""Reads the processor time and the memory of processes from Linux."""

import ctypes
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from processes import Failed


class Clocks:
    """The processor seconds that each process has used until now. Threads that have ended are included."""

    def __init__(self, pids: Iterable[int]) -> None:
        self.used = {pid: _seconds(pid) for pid in pids}

    def since(self, before: "Clocks") -> float:
        """Returns the processor seconds that were used after `before`.

        Raises Failed if a process ended in the meantime.
        """
        if gone := before.used.keys() - self.used.keys():
            raise Failed(f"The processes {gone} ended while they were measured.")
        return sum(seconds - before.used.get(pid, 0) for pid, seconds in self.used.items())


class Memory(NamedTuple):
    """The memory of a process in MiB.

    `rss` includes all pages that are shared with other processes. `pss` includes a proportional share of these pages.
    `own` includes none of these pages.
    """

    rss: float
    pss: float
    own: float


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def memory(pid: int) -> Memory:
    lines = re.findall(r"^(\w+): +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    mebibytes = {name: int(kibibytes) / 1024 for name, kibibytes in lines}
    return Memory(mebibytes["Rss"], mebibytes["Pss"], mebibytes["Private_Clean"] + mebibytes["Private_Dirty"])


def _seconds(pid: int) -> float:
    """Returns the user and system time of a process in seconds, from its clock (POSIX, clock_getcpuclockid).

    The clock counts nanoseconds, whereas /proc/PID/stat counts hundredths of a second.
    The clock also includes threads that have ended, whereas /proc/PID/task doesn't.
    """
    clock = ctypes.c_int()
    if error := ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise Failed(f"The processor time of process {pid} can't be read: {os.strerror(error)}.")
    return time.clock_gettime(clock.value)
