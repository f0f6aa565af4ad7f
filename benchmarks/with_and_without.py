"""What the trail costs a create, and what row security costs a list: the same requests with and without, in turn. See README.md."""

import argparse
import itertools
import os
import statistics
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import stage
from clients_list import OURS, PAGE
from processes import Failed, say, status_of

import load
from servers import Implementation, Server, running

WARM_UP = 200
CREATE = OURS._replace(path="/api/v1/clients/")
_numbers = itertools.count(1)


class Sample(NamedTuple):
    """Milliseconds of processor time a request."""

    server: float
    database: float

    @property
    def total(self) -> float:
        return self.server + self.database


class Protection(NamedTuple):
    """What is switched, and the request that is measured; `on` and `off` are SQL for the migrator: nobody who serves could."""

    request: str
    implementation: Implementation
    send: Callable[[Server, str], object]
    on: str
    off: str


def create(server: Server, token: str) -> None:
    number = next(_numbers)
    body = {
        "company_name": f"Newcomer {number}", "first_name": "Ann", "last_name": "Doe",
        "email": f"ann@newcomer{number}.example", "phone": "+33 1 99 00 12 34",
    }  # fmt: skip
    load.post(server.port, CREATE.path, token, body)


def read(server: Server, token: str) -> None:
    load.get(server.port, OURS.path, token)


# The tables that a list and its authentication read.
_READ = ("clients_client", "accounts_user", "accounts_tokensession", "accounts_cover")
PROTECTIONS = {
    "trail": Protection(
        "creating a client", CREATE, create,
        "ALTER TABLE clients_client ENABLE TRIGGER trail", "ALTER TABLE clients_client DISABLE TRIGGER trail",
    ),
    "row_security": Protection(
        f"listing {PAGE} clients", OURS, read,
        *(";".join(f"ALTER TABLE {table} {word} ROW LEVEL SECURITY" for table in _READ) for word in ("ENABLE", "DISABLE")),
    ),
}  # fmt: skip


def measure(server: Server, send: Callable[[], object], requests: int) -> Sample:
    server_before, database_before = server.worker_seconds(), server.database_seconds()
    answered, _ = load.repeat(send, requests)
    return Sample(
        server=(server.worker_seconds() - server_before) * 1000 / answered,
        database=(server.database_seconds() - database_before) * 1000 / answered,
    )


def rounds(server: Server, owner: Any, protection: Protection, number: int, requests: int) -> dict[str, list[Sample]]:
    ways = {"with": protection.on, "without": protection.off}
    samples: dict[str, list[Sample]] = {way: [] for way in ways}
    for turn in range(number + 1):
        say(f"Round {turn} of {number} …" if turn else "Warming up …")
        token = stage.access_token()
        # Who goes first changes, since the tables grow.
        for way in list(ways) if turn % 2 else reversed(ways):
            with owner.cursor() as cursor:
                cursor.execute(ways[way])
            sample = measure(server, partial(protection.send, server, token), requests if turn else WARM_UP)
            if turn:
                samples[way].append(sample)
    return samples


def report(samples: dict[str, list[Sample]]) -> None:
    for way, ones in samples.items():
        server, database = (statistics.median(column) for column in zip(*ones, strict=True))
        total = statistics.median(one.total for one in ones)
        say(f"{way:15} server {server:.3f} ms, database {database:.3f} ms, together {total:.3f} ms")
    # Round by round, since whatever else the machine did in that minute slowed both.
    ratios = sorted(one.total / other.total for one, other in zip(*samples.values(), strict=True))
    say(f"with / without  {statistics.median(ratios):.3f} (rounds: {ratios[0]:.3f} to {ratios[-1]:.3f})")


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("protection", choices=PROTECTIONS)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--requests", type=int, default=800, help="each way in each round")
    options = parser.parse_args(arguments)
    if not Path(f"/proc/{os.getpid()}/task").is_dir():
        raise Failed("Processor time is read from /proc, which only Linux has.")
    protection = PROTECTIONS[options.protection]
    with stage.prepared():
        import django

        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        django.setup()
        with running(protection.implementation) as server:
            with closing(stage.connect("PG_MIGRATOR", stage.DATABASE)) as owner:
                samples = rounds(server, owner, protection, options.rounds, options.requests)
    name = options.protection.replace("_", " ")
    say(f"\nProcessor time of {protection.request} over HTTP with and without {name}; ")
    say(f"medians of {options.rounds} rounds of {options.requests}.\n")
    report(samples)
    return 0


if __name__ == "__main__":
    sys.exit(status_of(main, *sys.argv[1:]))
