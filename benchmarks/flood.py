"""What is left of the list's rate while one address floods the login. See README.md."""

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

LEAST = 0.8  # of the list's rate
SLICE = 5  # seconds
QUIET = 2  # slices before the flood
_LIST = OPERATIONS["list"]
_LOGIN = OPERATIONS["login"]
_FLOOD = _LOGIN._replace(
    body={"username": "somebody{n}", "password": "a wrong passphrase"}, headers={"X-Forwarded-For": "192.0.2.1"}
)
_UNLIMITED = OURS._replace(app="without:application", without=("throttle",))


def rates(server: Server, reader: load.Load, slices: int) -> list[float]:
    """The list's requests a second in each slice. Another account reads each of them, so that none meets its own limit."""
    found = []
    for _ in range(slices):
        server.log_in()
        answers = server.ask(reader, _LIST, duration=SLICE)
        found.append(answers.number / answers.seconds)
    return found


def checked_a_second(server: Server, generator: load.Load) -> int:
    """How many passwords the machine can check while it does nothing else: whoever floods with as many, could stop it."""
    answers = server.ask(generator, _LOGIN, duration=SLICE)
    return round(answers.number / answers.seconds)


@contextmanager
def flooded(server: Server, flooder: load.Load, rate: int) -> Iterator[None]:
    """Each second so many logins, one after another on two connections, which are opened for a request and not before: a
    worker waits for whoever has connected, and the proxy in front that would keep idlers away isn't here."""
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
    told = " and ".join(f"{number:,} times with {status}" for status, number in sorted(statuses.items()))
    say(f"{rate} logins a second from one address were answered {told}.")


def measure(server: Server, rate: int, slices: int) -> list[float]:
    """The share of the list's rate that is left in each slice of a flood."""
    with load.generator() as reader, load.generator() as flooder:
        rates(server, reader, 1)  # to warm up
        quiet = rates(server, reader, QUIET)
        with flooded(server, flooder, rate):
            found = rates(server, reader, slices)
        quiet += rates(server, reader, QUIET)
    return [one / statistics.mean(quiet) for one in found]


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench flood", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args(arguments)
    with stage.prepared(), running(OURS, _UNLIMITED) as [ours, unlimited]:
        with load.generator() as generator:
            rate = checked_a_second(ours, generator)
        left = measure(ours, rate, max(options.seconds // SLICE, 2))
        others = measure(unlimited, rate, 2)
    lines = [["of the list's rate is left", "in all", f"in the first {SLICE} s", "from then on"]]
    for name, shares in (("with the limits as shipped", left), ("without any", others)):
        values = (statistics.mean(shares), shares[0], statistics.mean(shares[1:]))
        lines.append([name, *(f"{value:.0%}" for value in values)])
    sentence = f"a flood of the login leaves the list at least {LEAST:.0%} of its rate"
    goal = Goal(sentence, f"{statistics.mean(left):.0%}", statistics.mean(left) >= LEAST)
    say(f"{report.table(lines)}\n\n{report.goals([goal])}")
    return 0 if goal.is_met else 1


if __name__ == "__main__":
    sys.exit(status_of(main, *sys.argv[1:]))
