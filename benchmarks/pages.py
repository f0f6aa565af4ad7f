"""Compares the cost of a long list's last page with the cost of the first page. See README.md."""

import argparse
import sys
from urllib.parse import urlsplit

import load
import report
import stage
from operations import API, OPERATIONS, Operation
from processes import Failed, say, status_of
from results import Goal, at_most
from samples import BOTH, Rounds, medians, sample, times
from servers import OURS, Server, running
from tqdm import trange

# The measured requests have the page size PAGE_ROWS. Requests that only lead to the last page have MAX_PAGE_ROWS.
PAGE_ROWS, MAX_PAGE_ROWS = 50, 200
MAX_RATIO = 1.2
_FIRST = OPERATIONS["list"]._replace(name="first page")


def last_page(server: Server, clients: int) -> Operation:
    """Returns the request for the last page of the list. Follows `next` from page to page to find this page."""
    path = f"{API}clients/?page_size={MAX_PAGE_ROWS}"
    whole, rest = divmod(clients - PAGE_ROWS, MAX_PAGE_ROWS)
    for _ in trange(whole, unit="page", leave=False, disable=None):
        path = _next(server, path)
    for _ in range(rest // PAGE_ROWS):
        path = _next(server, path.replace(f"page_size={MAX_PAGE_ROWS}", f"page_size={PAGE_ROWS}"))
    last = _FIRST._replace(name="last page", path=path.replace(f"page_size={MAX_PAGE_ROWS}", f"page_size={PAGE_ROWS}"))
    ids = [row["id"] for row in server.answer(last)["results"]]
    if ids != list(range(PAGE_ROWS, 0, -1)):
        raise Failed(f"The last page has other clients than the first {PAGE_ROWS}: {ids}.")
    return last


def _next(server: Server, path: str) -> str:
    address = urlsplit(server.answer(_FIRST._replace(path=path))["next"])
    return f"{address.path}?{address.query}"


def measure(server: Server, clients: int, rounds: int) -> Goal:
    server.log_in()
    last = last_page(server, clients)
    measured: list[tuple[Operation, Rounds]] = [(_FIRST, []), (last, [])]
    with load.generator() as generator:
        for operation, _ in measured:
            server.ask(generator, operation, amount=operation.requests)  # this warm-up isn't measured
        for _ in range(rounds):
            server.log_in()
            for operation, samples in measured:
                samples.append(sample(server, generator, operation))
    lines = [["", "server ms", "database ms", "p50 ms"]]
    for operation, samples in measured:
        median = medians(samples)
        lines.append([operation.name, f"{median.server:.2f}", f"{median.database:.2f}", f"{median.p50:.1f}"])
    say(report.table(lines))
    (_, first), (_, last_samples) = measured
    return at_most(
        f"page {clients // PAGE_ROWS:,}: at most {MAX_RATIO} × the first, with the database",
        times(last_samples, first, BOTH),
        MAX_RATIO,
    )


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench pages", description=__doc__)
    parser.add_argument("--clients", type=int, default=1_000_000, help=f"a multiple of {PAGE_ROWS}")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(arguments)
    say(f"Making {options.clients:,} clients …")
    with stage.prepared(clients=options.clients), running(OURS) as [server]:
        goal = measure(server, options.clients, options.rounds)
    say(f"\n{report.goals([goal])}")
    return 0 if goal.is_met else 1


if __name__ == "__main__":
    sys.exit(status_of(main, *sys.argv[1:]))
