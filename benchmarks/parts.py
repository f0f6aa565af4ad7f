"""What each part of this project costs: the same requests with the part and without it, in turn."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import stage
from load import Load
from measuring import Rounds, Sample, sample
from operations import OPERATIONS, Operation
from servers import OURS, Implementation, Server, running

# What the owner of the tables turns off and on: on which tables, and how.
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
FINER = 2  # times as many rounds as elsewhere: parts are small, and differ less the sooner they follow one another
WARM_UP, AGAIN = 40, 10  # requests: once, and before each sample, since another process has had the caches meanwhile


class Part(NamedTuple):
    """`out` names what without.py takes out, `off` what the owner turns off, `headers` what the client doesn't send."""

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
            headers={name: one for name, one in operation.headers.items() if name not in self.headers}
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
    """What a request costs less without a part, in each round: milliseconds, and shares of what all of it costs."""

    server: list[float]
    both: list[float]
    share: list[float]

    @classmethod
    def between(cls, whole: Rounds, rest: Rounds) -> "Saved":
        pairs = list(zip(whole, rest, strict=True))
        server = [one.server - other.server for one, other in pairs]
        both = [one.both - other.both for one, other in pairs]
        return cls(server, both, [(one.server - other.server) / one.server for one, other in pairs])


Measured = dict[str, dict[Part, Rounds]]  # by operation


def samples(names: Sequence[str]) -> int:
    """How many a round of the whole run has."""
    return FINER * sum(len(parts) + 1 for parts in _nothing_yet(names).values())


def measure(
    generator: Load, names: Sequence[str], rounds: int, requests: int | None, told: Callable[[], object]
) -> Measured:
    """`told` is called after each sample."""
    measured = _nothing_yet(names)
    implementations = dict.fromkeys(part.implementation for parts in measured.values() for part in parts)
    with closing(stage.connect("PG_MIGRATOR", stage.DATABASE)) as owner, running(*implementations) as servers:
        stand = _Stand({server.implementation: server for server in servers}, owner, generator)
        for name, parts in measured.items():
            operation = OPERATIONS[name]._replace(requests=requests or REQUESTS[name])
            stand.log_in()
            for part in parts:
                stand.servers[part.implementation].ask(generator, operation, amount=WARM_UP)
            for _ in range(FINER * rounds):
                stand.log_in()
                _one_round(stand, operation, parts, told)
    return measured


def _nothing_yet(names: Sequence[str]) -> Measured:
    found: Measured = {name: {part: [] for part in (WHOLE, *PARTS) if name in part.operations} for name in names}
    return {name: parts for name, parts in found.items() if parts}


def _one_round(stand: "_Stand", operation: Operation, parts: dict[Part, Rounds], told: Callable[[], object]) -> None:
    """The whole is measured first and in the middle, since all parts are compared with it: never twice in a row."""
    whole, order = [], list(parts)
    order.insert(len(order) // 2 + 1, WHOLE)
    for part in order:
        found = stand.sample(part, operation)
        (whole if part is WHOLE else parts[part]).append(found)
        told()
    parts[WHOLE].append(Sample(*(statistics.mean(column) for column in zip(*whole, strict=True))))


class _Stand(NamedTuple):
    servers: dict[Implementation, Server]
    owner: Any
    generator: Load

    def log_in(self) -> None:
        """Once for all: without a part one may not be able to."""
        self.servers[OURS].log_in()
        for server in self.servers.values():
            server.token = self.servers[OURS].token

    def sample(self, part: Part, operation: Operation) -> Sample:
        server = self.servers[part.implementation]
        with self._turned_off(part):
            server.ask(
                self.generator, operation, amount=AGAIN
            )  # connections, too, find out only now what is turned off
            return sample(server, self.generator, part.request(operation))

    @contextmanager
    def _turned_off(self, part: Part) -> Iterator[None]:
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
