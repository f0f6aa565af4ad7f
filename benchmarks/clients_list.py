"""What the list of clients costs: this project against the same endpoint as everyone writes it. See README.md."""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import stage
from processes import Failed, say, status_of

import load
from servers import Implementation, Server, running

PAGE = 50
WARM_UP = 200
OURS = Implementation(
    "this project", "config.wsgi:application", f"/api/v1/clients/?page_size={PAGE}", "config.settings"
)
USUAL = Implementation(
    "DRF as everyone writes it", "reference.wsgi:application", f"/api/v1/clients/?limit={PAGE}", "reference.settings"
)
FLOOR = Implementation("a bare WSGI function", "floor:application", f"/api/v1/clients/?limit={PAGE}")
IMPLEMENTATIONS = (FLOOR, OURS, USUAL)


class Sample(NamedTuple):
    """One round of one implementation: milliseconds per request, and requests per second."""

    server: float
    database: float
    rate: float


def measure(server: Server, token: str, requests: int) -> Sample:
    server_before, database_before = server.worker_seconds(), server.database_seconds()
    answered, seconds = load.run(server.port, server.implementation.path, token, requests=requests)
    return Sample(
        server=(server.worker_seconds() - server_before) * 1000 / answered,
        database=(server.database_seconds() - database_before) * 1000 / answered,
        rate=answered / seconds,
    )


def refuse_different_answers(servers: list[Server], token: str) -> None:
    """A comparison of two lists that aren't the same list would say nothing."""
    told = []
    for server in servers:
        rows = json.loads(load.get(server.port, server.implementation.path, token))["results"]
        # Times are written `+00:00` here and `Z` there; an address names its server.
        told.append(
            [{key: value for key, value in row.items() if not key.endswith("_at") and key != "url"} for row in rows]
        )
    if len(told[0]) != PAGE or any(rows != told[0] for rows in told):
        raise load.Unexpected("The implementations don't answer the same rows.")


def statements(implementation: Implementation, token: str) -> int:
    if implementation.settings is None:
        return 1
    command = [sys.executable, str(Path(__file__).with_name("statements.py")), implementation.path, token]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": implementation.settings}
    return int(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def table(samples: dict[Implementation, list[Sample]], counts: dict[Implementation, int]) -> str:
    lines = [["", "server CPU ms", "of all rounds", "× this project", "database CPU ms", "requests/s", "SQL"]]
    lines.append(["---"] * len(lines[0]))
    for implementation, rounds in samples.items():
        server, database, rate = (statistics.median(column) for column in zip(*rounds, strict=True))
        costs = [sample.server for sample in rounds]
        # Round by round, since whatever else the machine did in that minute slowed both.
        ratio = statistics.median(cost / ours.server for cost, ours in zip(costs, samples[OURS], strict=True))
        measured = (
            f"{server:.2f}",
            f"{min(costs):.2f} to {max(costs):.2f}",
            f"{ratio:.2f}",
            f"{database:.2f}",
            f"{rate:.0f}",
        )
        lines.append([implementation.name, *measured, str(counts[implementation])])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=1500, help="of each implementation in each round")
    options = parser.parse_args(arguments)
    if not Path(f"/proc/{os.getpid()}/task").is_dir():
        raise Failed("Processor time is read from /proc, which only Linux has.")
    samples: dict[Implementation, list[Sample]] = defaultdict(list)
    with stage.prepared(), ExitStack() as stack:
        import django

        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        django.setup()
        servers = [stack.enter_context(running(implementation)) for implementation in IMPLEMENTATIONS]
        token = stage.access_token()
        refuse_different_answers(servers, token)
        counts = {implementation: statements(implementation, token) for implementation in IMPLEMENTATIONS}
        for server in servers:
            load.run(server.port, server.implementation.path, token, requests=WARM_UP)
        for number in range(1, options.rounds + 1):
            say(f"Round {number} of {options.rounds} …")
            token = stage.access_token()
            for server in servers:
                samples[server.implementation].append(measure(server, token, options.requests))
    say(
        f"\n{stage.CLIENTS} clients, {PAGE} a page; medians of {options.rounds} rounds of {options.requests} requests.\n"
    )
    say(table(samples, counts))
    return 0


if __name__ == "__main__":
    sys.exit(status_of(main, *sys.argv[1:]))
