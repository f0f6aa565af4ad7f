"""Disturbs the server: kills workers, reloads gunicorn, and crashes the database."""

import os
import signal
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

PAUSE_SECONDS = (2.0, 4.0)  # shortest and longest pause between two disturbances, in seconds


def children(parent: int) -> list[int]:
    pids = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # the process that is read here has already ended
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent:
                pids.append(int(stat.parent.name))
    return sorted(pids)


def command(process: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


class Chaos(threading.Thread):
    """A thread that disturbs the server until `stop` is called. `done` counts the disturbances by their names."""

    def __init__(self, runner: int, home: Path, chance: Random) -> None:
        super().__init__(daemon=True)
        self.home, self.chance, self.done = home, chance, Counter[str]()
        (self.server,) = (child for child in children(runner) if "gunicorn" in command(child))
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self.chance.uniform(*PAUSE_SECONDS)):
            disturb = self.chance.choices(
                [self.kill_a_worker, self.replace_all_workers, self.crash_the_database], [7, 2, 1]
            )[0]
            with suppress(ProcessLookupError):
                disturb()

    def stop(self) -> None:
        self._over.set()
        self.join()

    def kill_a_worker(self) -> None:
        if workers := children(self.server):
            os.kill(self.chance.choice(workers), signal.SIGKILL)
            self.done["workers killed"] += 1

    def replace_all_workers(self) -> None:
        os.kill(self.server, signal.SIGHUP)
        self.done["servers reloaded"] += 1

    def crash_the_database(self) -> None:
        """Kills one PostgreSQL session.

        PostgreSQL then ends all other sessions, and recovers from its write-ahead log.
        """
        postmaster = int((self.home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
        sessions = [child for child in children(postmaster) if "eecrm_app" in command(child)]
        if sessions:
            os.kill(self.chance.choice(sessions), signal.SIGKILL)
            self.done["databases crashed"] += 1
