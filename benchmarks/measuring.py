"""Rounds: each goes through all who are compared before the next one begins, since whatever else the machine does slows all."""

import statistics
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import NamedTuple

from load import Load, answer
from operations import LOGIN, Operation
from processes import say
from servers import Server


class Sample(NamedTuple):
    """One implementation in one round: processor milliseconds a request, requests a second, milliseconds of waiting."""

    server: float
    database: float
    rate: float
    p50: float
    p99: float

    @property
    def total(self) -> float:
        return self.server + self.database


Rounds = list[Sample]


def medians(rounds: Rounds) -> Sample:
    return Sample(*(statistics.median(column) for column in zip(*rounds, strict=True)))


def ratio(rounds: Rounds, others: Rounds, cost: Callable[[Sample], float] = lambda one: one.server) -> float:
    """How many times as much these cost as the others: the median of what each round says."""
    return statistics.median(cost(one) / cost(other) for one, other in zip(rounds, others, strict=True))


def sample(server: Server, load: Load, operation: Operation, requests: int) -> Sample:
    workers, database = server.worker_seconds(), server.database_seconds()
    answers = load.send(operation, server.port, server.token, requests, closes=not server.implementation.is_asgi)
    return Sample(
        server=server.worker_seconds().since(workers) * 1000 / requests,
        database=server.database_seconds().since(database) * 1000 / requests,
        rate=requests / answers.seconds,
        p50=answers.p50,
        p99=answers.p99,
    )


def log_in(servers: Sequence[Server]) -> None:
    for server in servers:
        server.token = answer(LOGIN, server.port)["access"]
