"""What happens to the server meanwhile: workers die, all of them are replaced, and the database crashes."""

import os
import signal
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

EVERY = (2.0, 4.0)  # seconds


def children(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent:
                found.append(int(stat.parent.name))
    return sorted(found)


def command(process: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


class Chaos(threading.Thread):
    """Runs until `stop`; `done` counts what it did."""

    def __init__(self, runner: int, home: Path, chance: Random) -> None:
        super().__init__(daemon=True)
        self.home, self.chance, self.done = home, chance, Counter[str]()
        (self.server,) = (one for one in children(runner) if "gunicorn" in command(one))
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self.chance.uniform(*EVERY)):
            what = self.chance.choices(
                [self.kill_a_worker, self.replace_all_workers, self.crash_the_database], [7, 2, 1]
            )[0]
            with suppress(ProcessLookupError):
                what()

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
        """One process that dies takes all others with it; PostgreSQL recovers from its log."""
        postmaster = int((self.home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
        sessions = [one for one in children(postmaster) if "eecrm_app" in command(one)]
        if sessions:
            os.kill(self.chance.choice(sessions), signal.SIGKILL)
            self.done["databases crashed"] += 1
