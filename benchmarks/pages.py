"""Whether the 20,000th page costs what the first one does. See README.md."""

import argparse
import sys
from urllib.parse import urlsplit

import load
import report
import stage
from measuring import BOTH, Rounds, medians, sample, times
from operations import API, OPERATIONS, Operation
from processes import Failed, say, status_of
from results import Goal, at_most
from servers import OURS, Server, running
from tqdm import trange

PAGE, LONGEST = 50, 200  # rows; all pages on the way are of the longest kind
MOST_TIMES = 1.2
_FIRST = OPERATIONS["list"]._replace(name="first page")


def last_page(server: Server, clients: int) -> Operation:
    """The page that ends with the first of the clients, found as everybody would: by following `next`."""
    path = f"{API}clients/?page_size={LONGEST}"
    whole, rest = divmod(clients - PAGE, LONGEST)
    for _ in trange(whole, unit="page", leave=False, disable=None):
        path = _next(server, path)
    for _ in range(rest // PAGE):
        path = _next(server, path.replace(f"page_size={LONGEST}", f"page_size={PAGE}"))
    last = _FIRST._replace(name="last page", path=path.replace(f"page_size={LONGEST}", f"page_size={PAGE}"))
    found = [row["id"] for row in server.answer(last)["results"]]
    if found != list(range(PAGE, 0, -1)):
        raise Failed(f"The last page has other clients than the first {PAGE}: {found}.")
    return last


def _next(server: Server, path: str) -> str:
    address = urlsplit(server.answer(_FIRST._replace(path=path))["next"])
    return f"{address.path}?{address.query}"


def measure(server: Server, clients: int, rounds: int) -> Goal:
    server.log_in()
    last = last_page(server, clients)
    found: list[tuple[Operation, Rounds]] = [(_FIRST, []), (last, [])]
    with load.generator() as generator:
        for operation, _ in found:
            server.ask(generator, operation, amount=operation.requests)  # to warm up
        for _ in range(rounds):
            server.log_in()
            for operation, samples in found:
                samples.append(sample(server, generator, operation))
    lines = [["", "server ms", "database ms", "p50 ms"]]
    for operation, samples in found:
        median = medians(samples)
        lines.append([operation.name, f"{median.server:.2f}", f"{median.database:.2f}", f"{median.p50:.1f}"])
    say(report.table(lines))
    (_, first), (_, others) = found
    return at_most(
        f"page {clients // PAGE:,}: at most {MOST_TIMES} × the first, with the database",
        times(others, first, BOTH),
        MOST_TIMES,
    )


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench pages", description=__doc__)
    parser.add_argument("--clients", type=int, default=1_000_000, help=f"a multiple of {PAGE}")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(arguments)
    say(f"Making {options.clients:,} clients …")
    with stage.prepared(clients=options.clients), running(OURS) as [server]:
        goal = measure(server, options.clients, options.rounds)
    say(f"\n{report.goals([goal])}")
    return 0 if goal.is_met else 1


if __name__ == "__main__":
    sys.exit(status_of(main, *sys.argv[1:]))
