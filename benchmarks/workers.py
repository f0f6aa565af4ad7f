"""Compares numbers and kinds of gunicorn workers. See README.md.

For each kind, measures the processor time of the same requests and the memory of the workers.
Also counts the idle connections that block the server.
"""

import argparse
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from typing import NamedTuple

import load
import report
import stage
from operations import OPERATIONS, Operation
from processes import Failed, say, status_of
from processor import children, memory
from servers import OURS, Implementation, Server, running
from tqdm import tqdm

KINDS = [
    OURS._replace(name=name, options=(f"--workers={workers}", f"--worker-class={kind}", f"--threads={threads}"))
    for name, kind, workers, threads in (
        ("sync × 1", "sync", 1, 1), ("sync × 2", "sync", 2, 1), ("sync × 4", "sync", 4, 1),
        ("gthread × 1, 4 threads", "gthread", 1, 4), ("gthread × 2, 4 threads", "gthread", 2, 4),
    )
]  # fmt: skip
BASELINE = KINDS[1]
CONNECTIONS = 16
# In this measurement, connections stay open after an answer, as a proxy keeps them open.
# Only workers with threads ("gthread") are measured in this way.
LIST_KEPT_ALIVE = "list, connections kept"
# In this measurement, four logins run at the same time. Each login needs 25 ms of processor time.
LIST_WITH_LOGINS = "list, beside logins"
MAX_IDLE_CONNECTIONS = 16  # connections that send no request
REQUESTS = {"list": 160, "detail": 160, "create": 96, "login": 96}  # number of requests in one round


class Sample(NamedTuple):
    rate: float  # requests a second
    p99: float  # latency in milliseconds
    server: float  # processor milliseconds that the workers need for a request
    database: float  # processor milliseconds that PostgreSQL needs for a request


Measured = dict[Implementation, dict[str, list[Sample]]]


def operation(name: str) -> Operation:
    return OPERATIONS[name]._replace(requests=REQUESTS[name])


def measure(server: Server, generator: load.Load, operation: Operation, *, keeps_alive: bool = False) -> Sample:
    workers, database = server.worker_clocks(), server.database_clocks()
    job = operation.job(server.port, server.token)
    answers = generator.send(job, keeps_alive=keeps_alive, connections=CONNECTIONS, amount=operation.requests)
    if answers.statuses != {str(operation.expected): operation.requests}:
        raise Failed(f"{operation.name} of {server.implementation.name} was answered {answers.statuses}.")
    return Sample(
        rate=operation.requests / answers.seconds,
        p99=answers.p99,
        server=server.worker_clocks().since(workers) * 1000 / operation.requests,
        database=server.database_clocks().since(database) * 1000 / operation.requests,
    )


@contextmanager
def logins(server: Server, generator: load.Load) -> Iterator[None]:
    """Sends logins during the whole block. Raises Failed if all logins were answered before the block's end."""
    job = OPERATIONS["login"].job(server.port, "")
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(generator.send, job, connections=4, amount=REQUESTS["login"])
        time.sleep(0.2)  # wait until the first logins are being served
        yield
        if sent.done():
            raise Failed("The logins were over before the list was measured.")
        sent.result()


def rounds(servers: list[Server], number: int) -> Measured:
    measured: Measured = {server.implementation: {} for server in servers}
    with (
        load.generator() as generator,
        load.generator() as other,
        tqdm(total=number * len(servers), disable=None) as bar,
    ):
        for turn in range(number + 1):  # the first round is a warm-up, which isn't used
            for server in servers:
                server.log_in()
                samples = {name: measure(server, generator, operation(name)) for name in ("list", "detail", "create")}
                if "sync" not in server.implementation.name:
                    samples[LIST_KEPT_ALIVE] = measure(server, generator, operation("list"), keeps_alive=True)
                with logins(server, other):
                    samples[LIST_WITH_LOGINS] = measure(server, generator, operation("list")._replace(requests=48))
                for name, sample in samples.items() if turn else ():
                    measured[server.implementation].setdefault(name, []).append(sample)
                bar.update(bool(turn))
    return measured


def count_blocking_idle(server: Server) -> int:
    """Returns the number of idle connections that make the server stop answering other clients."""
    with ExitStack() as stack:
        for number in range(MAX_IDLE_CONNECTIONS):
            if not is_alive(server):
                return number
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            time.sleep(0.1)  # wait until the server has accepted the connection
    return MAX_IDLE_CONNECTIONS


def is_alive(server: Server) -> bool:
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=2)) as line:
        try:
            line.request("GET", "/health/live/")
            return line.getresponse().status == 200
        except TimeoutError:
            return False


def table(measured: Measured) -> str:
    lines = [["", "", "requests/s", "× sync × 2", "p99 ms", "server ms", "× sync × 2", "database ms"]]
    for name in ("list", LIST_KEPT_ALIVE, LIST_WITH_LOGINS, "detail", "create"):
        for kind, samples in measured.items():
            if name not in samples:
                continue
            rate, p99, cost, database = (statistics.median(column) for column in zip(*samples[name], strict=True))
            pairs = list(zip(samples[name], measured[BASELINE].get(name, measured[BASELINE]["list"]), strict=True))
            rate_ratio = statistics.median(sample.rate / baseline.rate for sample, baseline in pairs)
            cost_ratio = statistics.median(sample.server / baseline.server for sample, baseline in pairs)
            figures = [f"{rate:.0f}", f"{rate_ratio:.2f}", f"{p99:.0f}"]
            if name != LIST_WITH_LOGINS:  # the measured processor time includes the logins
                figures += [f"{cost:.2f}", f"{cost_ratio:.2f}", f"{database:.2f}"]
            lines.append([name, kind.name, *figures, *[""] * (len(lines[0]) - 2 - len(figures))])
    return report.table(lines)


def table_of_memory(servers: list[Server]) -> str:
    lines = [["", "RSS of a worker, MiB", "PSS of all, with the master", "idle connections that stop it"]]
    for server in servers:
        workers = [memory(pid) for pid in children(server.process.pid)]
        total = sum(worker.pss for worker in workers) + memory(server.process.pid).pss
        figures = f"{max(worker.rss for worker in workers):.0f}", f"{total:.0f}", str(count_blocking_idle(server))
        lines.append([server.implementation.name, *figures])
    return report.table(lines)


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench workers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    with stage.prepared(), running(*KINDS) as servers:
        measured = rounds(servers, options.rounds)
        say(f"\n{table(measured)}\n\n{table_of_memory(servers)}")
    return 0


if __name__ == "__main__":
    sys.exit(status_of(main, *sys.argv[1:]))
