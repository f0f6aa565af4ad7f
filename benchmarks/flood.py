"""Measures the request rate of a list view while one IP address floods the login with requests. See README.md."""

import argparse
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import load
import report
import stage
from operations import OPERATIONS
from processes import say, status_of
from results import Goal
from servers import OURS, Server, running

MIN_SHARE = 0.8  # minimum share of the list view's request rate that must remain during the flood
SLICE_SECONDS = 5
BASELINE_SLICES = 2  # number of time slices before the flood, and again after it
_LIST = OPERATIONS["list"]
_LOGIN = OPERATIONS["login"]
_FLOOD = _LOGIN._replace(
    body={"username": "somebody{n}", "password": "a wrong passphrase"}, headers={"X-Forwarded-For": "192.0.2.1"}
)
_UNLIMITED = OURS._replace(app="without:application", without=("throttle",))


def rates(server: Server, reader: load.Load, slices: int) -> list[float]:
    """Measures the list view's number of requests a second, in each time slice of SLICE_SECONDS.

    Each slice uses another account, so that no account reaches its rate limit.
    """
    measured = []
    for _ in range(slices):
        server.log_in()
        answers = server.ask(reader, _LIST, duration=SLICE_SECONDS)
        measured.append(answers.number / answers.seconds)
    return measured


def max_login_rate(server: Server, generator: load.Load) -> int:
    """Returns the number of logins a second that the server can check if it gets no other requests.

    Without rate limits, a flood at this rate could stop the server.
    """
    answers = server.ask(generator, _LOGIN, duration=SLICE_SECONDS)
    return round(answers.number / answers.seconds)


@contextmanager
def flooded(server: Server, flooder: load.Load, rate: int) -> Iterator[None]:
    """Sends `rate` logins a second during the block, two at a time. Each login opens a new connection.

    If a connection stayed open, a worker without threads ("sync") would wait there for the next login. The worker would
    serve nobody else. In production a proxy stands in front of the workers, so the workers don't wait on idle
    connections.
    """
    job, ended, statuses = _FLOOD.job(server.port, ""), Event(), Counter[str]()

    def flood() -> None:
        while not ended.is_set():
            started = time.monotonic()
            statuses.update(flooder.send(job, amount=rate).statuses)
            ended.wait(started + 1 - time.monotonic())

    with ThreadPoolExecutor(1) as pool:
        flooding = pool.submit(flood)
        try:
            yield
        finally:
            ended.set()
        flooding.result()
    counts = " and ".join(f"{number:,} times with {status}" for status, number in sorted(statuses.items()))
    say(f"{rate} logins a second from one address were answered {counts}.")


def measure(server: Server, rate: int, slices: int) -> list[float]:
    """Returns the share of the list view's request rate that remains, for each time slice of the flood."""
    with load.generator() as reader, load.generator() as flooder:
        rates(server, reader, 1)  # warm-up, which isn't used
        baseline = rates(server, reader, BASELINE_SLICES)
        with flooded(server, flooder, rate):
            measured = rates(server, reader, slices)
        baseline += rates(server, reader, BASELINE_SLICES)
    return [slice_rate / statistics.mean(baseline) for slice_rate in measured]


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench flood", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args(arguments)
    with stage.prepared(), running(OURS, _UNLIMITED) as [ours, unlimited]:
        with load.generator() as generator:
            rate = max_login_rate(ours, generator)
        limited = measure(ours, rate, max(options.seconds // SLICE_SECONDS, 2))
        unlimited_shares = measure(unlimited, rate, 2)
    lines = [["of the list's rate is left", "in all", f"in the first {SLICE_SECONDS} s", "from then on"]]
    for name, shares in (("with the limits as shipped", limited), ("without any", unlimited_shares)):
        values = (statistics.mean(shares), shares[0], statistics.mean(shares[1:]))
        lines.append([name, *(f"{value:.0%}" for value in values)])
    sentence = f"a flood of the login leaves the list at least {MIN_SHARE:.0%} of its rate"
    goal = Goal(sentence, f"{statistics.mean(limited):.0%}", statistics.mean(limited) >= MIN_SHARE)
    say(f"{report.table(lines)}\n\n{report.goals([goal])}")
    return 0 if goal.is_met else 1


if __name__ == "__main__":
    sys.exit(status_of(main, *sys.argv[1:]))
