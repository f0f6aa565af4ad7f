"""Measures the cost of each part of this project, such as row security.

The same requests are sent with the part and without it, in turn.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import stage
from load import Load
from operations import OPERATIONS, Operation
from samples import Rounds, Sample, sample
from servers import OURS, Implementation, Server, running

# Each key is a part of this project whose cost is measured, such as row security. Each value has three pieces of SQL.
# The first piece of SQL finds the tables that use the part.
# The other two pieces of SQL are ALTER TABLE commands that turn the part off and on again.
# The owner of the tables runs the ALTER TABLE commands.
_SWITCHES = {
    "row_security": (
        "SELECT oid::regclass::text FROM pg_class WHERE relrowsecurity",
        "DISABLE ROW LEVEL SECURITY",
        "ENABLE ROW LEVEL SECURITY",
    ),
    "trail": (
        "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'trail'",
        "DISABLE TRIGGER trail",
        "ENABLE TRIGGER trail",
    ),
}
_ALL = ("list", "create")
REQUESTS = {"list": 100, "create": 80, "login": 20}
ROUNDS_FACTOR = 2  # twice as many rounds as in other benchmarks, but shorter rounds, because a part costs little
WARM_UP_REQUESTS = 40  # requests that each server gets before the first round
REWARM_REQUESTS = 10  # unmeasured requests before each sample, which fill the processor's caches again


class Part(NamedTuple):
    """A part of this project that can be left out, to measure its cost.

    `out` lists the parts that without.py removes from the Python code. `off` lists the parts that PostgreSQL turns off,
    by the SQL in _SWITCHES. `headers` lists the request headers that aren't sent.
    """

    name: str
    operations: tuple[str, ...]
    out: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()

    @property
    def implementation(self) -> Implementation:
        return OURS._replace(app="without:application", without=self.out) if self.out else OURS

    def request(self, operation: Operation) -> Operation:
        return operation._replace(
            headers={name: value for name, value in operation.headers.items() if name not in self.headers}
        )


WHOLE = Part("everything", (*_ALL, "login"))
AUTHORIZATION = Part("authorization, all three", _ALL, out=("authentication", "policy"), off=("row_security",))
PASSWORD_CHECK = Part("password check", ("login",), out=("password_check",))
PARTS = (
    Part("authentication", _ALL, out=("authentication",)),
    Part("policy", _ALL, out=("policy",)),
    Part("row security", _ALL, off=("row_security",)),
    AUTHORIZATION,
    Part("serializer (the answer)", _ALL, out=("serializer",)),
    Part("middleware", _ALL, out=("middleware",)),
    Part("throttle", (*_ALL, "login"), out=("throttle",)),
    Part("log line", _ALL, out=("log_line",)),
    Part("trail", ("create",), off=("trail",)),
    Part("idempotency key", ("create",), headers=("Idempotency-Key",)),
    PASSWORD_CHECK,
)


class Saved(NamedTuple):
    """The processor time that a request saves if a part of this project is left out.

    Each list has a value for each round. `server` is the saved time of the server, in milliseconds for each request.
    `both` is the saved time of server and database together. `share` is `server` divided by the server's whole time.
    """

    server: list[float]
    both: list[float]
    share: list[float]

    @classmethod
    def between(cls, whole: Rounds, without: Rounds) -> "Saved":
        pairs = list(zip(whole, without, strict=True))
        server = [sample.server - reduced.server for sample, reduced in pairs]
        both = [sample.both - reduced.both for sample, reduced in pairs]
        return cls(server, both, [(sample.server - reduced.server) / sample.server for sample, reduced in pairs])


Measured = dict[str, dict[Part, Rounds]]  # maps the name of an operation to its parts, and each part to its rounds


def samples(names: Sequence[str]) -> int:
    """Returns the number of samples that `--rounds 1` takes, over all operations."""
    return ROUNDS_FACTOR * sum(len(parts) + 1 for parts in _empty(names).values())


def measure(
    generator: Load, names: Sequence[str], rounds: int, requests: int | None, progress: Callable[[], object]
) -> Measured:
    """Measures the cost of all parts. Calls `progress` after each sample."""
    measured = _empty(names)
    implementations = dict.fromkeys(part.implementation for parts in measured.values() for part in parts)
    with closing(stage.connect("PG_MIGRATOR", stage.DATABASE)) as owner, running(*implementations) as servers:
        stand = _Stand({server.implementation: server for server in servers}, owner, generator)
        for name, parts in measured.items():
            operation = OPERATIONS[name]._replace(requests=requests or REQUESTS[name])
            stand.log_in()
            for part in parts:
                stand.servers[part.implementation].ask(generator, operation, amount=WARM_UP_REQUESTS)
            for _ in range(ROUNDS_FACTOR * rounds):
                stand.log_in()
                _one_round(stand, operation, parts, progress)
    return measured


def _empty(names: Sequence[str]) -> Measured:
    measured: Measured = {name: {part: [] for part in (WHOLE, *PARTS) if name in part.operations} for name in names}
    return {name: parts for name, parts in measured.items() if parts}


def _one_round(
    stand: "_Stand", operation: Operation, parts: dict[Part, Rounds], progress: Callable[[], object]
) -> None:
    """Measures each part once, and the whole project twice, because each part is compared with the whole project."""
    whole, order = [], list(parts)
    order.insert(len(order) // 2 + 1, WHOLE)
    for part in order:
        measured = stand.sample(part, operation)
        (whole if part is WHOLE else parts[part]).append(measured)
        progress()
    parts[WHOLE].append(Sample(*(statistics.mean(column) for column in zip(*whole, strict=True))))


class _Stand(NamedTuple):
    servers: dict[Implementation, Server]
    owner: Any
    generator: Load

    def log_in(self) -> None:
        """Logs in at the complete server, and uses this token for all servers, because login may fail on the others."""
        self.servers[OURS].log_in()
        for server in self.servers.values():
            server.token = self.servers[OURS].token

    def sample(self, part: Part, operation: Operation) -> Sample:
        server = self.servers[part.implementation]
        with self._disabled(part):
            # The server was told to do without a part, such as row security. These requests, which aren't measured, come first:
            # with them, the open database connections take over the new setting.
            server.ask(self.generator, operation, amount=REWARM_REQUESTS)
            return sample(server, self.generator, part.request(operation))

    @contextmanager
    def _disabled(self, part: Part) -> Iterator[None]:
        switches = [_SWITCHES[name] for name in part.off]
        for tables, off, _ in switches:
            self._alter(tables, off)
        try:
            yield
        finally:
            for tables, _, on in switches:
                self._alter(tables, on)

    def _alter(self, tables: str, command: str) -> None:
        with self.owner.cursor() as cursor:
            cursor.execute(tables)
            for (table,) in cursor.fetchall():
                cursor.execute(f"ALTER TABLE {table} {command}")
