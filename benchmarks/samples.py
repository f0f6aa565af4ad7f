"""Measures implementations in rounds.

Each round measures each implementation once. So other programs on the machine disturb all implementations equally.
"""

import statistics
from collections.abc import Callable
from operator import attrgetter
from typing import NamedTuple

from load import Load
from operations import Operation
from servers import Server


class Sample(NamedTuple):
    """The figures of one implementation in one round.

    `server` and `database` are processor milliseconds a request. `rate` is requests a second.
    `p50` and `p99` are latencies in milliseconds.
    """

    server: float
    database: float
    rate: float
    p50: float
    p99: float

    @property
    def both(self) -> float:
        return self.server + self.database


Rounds = list[Sample]
SERVER, DATABASE, BOTH, RATE, P50, P99 = map(attrgetter, ("server", "database", "both", "rate", "p50", "p99"))


def sample(server: Server, generator: Load, operation: Operation) -> Sample:
    requests = operation.requests
    workers, database = server.worker_clocks(), server.database_clocks()
    answers = server.ask(generator, operation, amount=requests)
    return Sample(
        server=server.worker_clocks().since(workers) * 1000 / requests,
        database=server.database_clocks().since(database) * 1000 / requests,
        rate=requests / answers.seconds,
        p50=answers.p50,
        p99=answers.p99,
    )


def medians(rounds: Rounds) -> Sample:
    return Sample(*(statistics.median(column) for column in zip(*rounds, strict=True)))


def times(rounds: Rounds, others: Rounds, of: Callable[[Sample], float]) -> float:
    """Compares two series of measurements. Returns the median of the ratios of all rounds.

    The function `of` gets a sample and returns the figure to compare. The ratio of a round is its figure in `rounds`
    divided by its figure in `others`.
    """
    return statistics.median(of(sample) / of(other) for sample, other in zip(rounds, others, strict=True))
