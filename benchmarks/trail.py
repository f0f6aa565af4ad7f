"""What the trail costs a create: the same requests with its trigger and without it, in turn. See README.md."""

import argparse
import itertools
import os
import statistics
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import stage
from clients_list import OURS
from processes import Failed, say, status_of

import load
from servers import Server, running

CREATE = OURS._replace(path="/api/v1/clients/")
WARM_UP = 200
WAYS = {"with the trail": "ENABLE", "without it": "DISABLE"}
_numbers = itertools.count(1)


class Sample(NamedTuple):
    """Milliseconds of processor time a request."""

    server: float
    database: float

    @property
    def total(self) -> float:
        return self.server + self.database


def create(server: Server, token: str) -> None:
    number = next(_numbers)
    body = {
        "company_name": f"Newcomer {number}", "first_name": "Ann", "last_name": "Doe",
        "email": f"ann@newcomer{number}.example", "phone": "+33 1 99 00 12 34",
    }  # fmt: skip
    load.post(server.port, CREATE.path, token, body)


def measure(server: Server, token: str, requests: int) -> Sample:
    server_before, database_before = server.worker_seconds(), server.database_seconds()
    answered, _ = load.repeat(lambda: create(server, token), requests)
    return Sample(
        server=(server.worker_seconds() - server_before) * 1000 / answered,
        database=(server.database_seconds() - database_before) * 1000 / answered,
    )


def count(owner: Any) -> int:
    with owner.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit.entry WHERE table_name = 'clients_client' AND channel = 'api'")
        (number,) = cursor.fetchone()
    return int(number)


def switch(owner: Any, way: str) -> None:
    """As the migrator: nobody who serves requests could."""
    with owner.cursor() as cursor:
        cursor.execute(f"ALTER TABLE clients_client {WAYS[way]} TRIGGER trail")


def rounds(server: Server, owner: Any, number: int, requests: int) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {way: [] for way in WAYS}
    for turn in range(number + 1):
        say(f"Round {turn} of {number} …" if turn else "Warming up …")
        token, before, done = stage.access_token(), count(owner), 0
        # Who goes first changes, since the tables grow.
        for way in list(WAYS) if turn % 2 else reversed(WAYS):
            switch(owner, way)
            sample = measure(server, token, requests if turn else WARM_UP)
            if turn:
                samples[way].append(sample)
            done += 0 if way == "without it" else (requests if turn else WARM_UP)
        if count(owner) - before != done // load.AT_ONCE * load.AT_ONCE:
            raise Failed("The trail holds another number of entries than clients were created with it.")
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
    parser = argparse.ArgumentParser(prog="scripts/bench trail", description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--requests", type=int, default=800, help="each way in each round")
    options = parser.parse_args(arguments)
    if not Path(f"/proc/{os.getpid()}/task").is_dir():
        raise Failed("Processor time is read from /proc, which only Linux has.")
    with stage.prepared():
        import django

        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        django.setup()
        with running(CREATE) as server, closing(stage.connect("PG_MIGRATOR", stage.DATABASE)) as owner:
            samples = rounds(server, owner, options.rounds, options.requests)
    say(f"\nProcessor time of creating a client over HTTP; medians of {options.rounds} rounds of {options.requests}.\n")
    report(samples)
    return 0


if __name__ == "__main__":
    sys.exit(status_of(main, *sys.argv[1:]))
