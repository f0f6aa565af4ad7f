"""The policy mutation test: `scripts/mutate-policy [RESOURCE]`, two processes, a few minutes. Exits 1 where a flip survives.

Each of the two processes collects the tests once, against a database of its own. Each flip then runs in a fork, which has
everything imported and one cell changed: the cell's behaviour is tested first (`test_cells.py`), and where that has no
test of its own, the literal tables.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TESTS = "eecrm/access/tests/test_cells.py"
# These compare the table with a copy of itself: a flip that only they notice has no behaviour of its own in Python.
LITERAL = ("test_everybody_is_told_their_own_column", "test_the_database_grants_what_the_table_says")
WORKERS = ("gw0", "gw1")

sys.path.insert(0, str(ROOT / "eecrm"))
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"

import django  # noqa: E402  # these need the path and the settings above

django.setup()

import pytest  # noqa: E402  # and these the loaded apps
from django.db import connection  # noqa: E402
from tqdm import tqdm  # noqa: E402

from access import policy  # noqa: E402
from access.policy import MATRIX_ROLES, TABLE, Scope  # noqa: E402
from api.tests.published import published  # noqa: E402

Flip = tuple[tuple[str, str, str], Scope]
BEHAVIOUR, BY_LITERAL, SURVIVED = b"b", b"l", b"s"


def flips(resources: list[str]) -> Iterator[Flip]:
    for resource, action, *scopes in TABLE:
        if resources and resource not in resources:
            continue
        for role, scope in zip(MATRIX_ROLES, scopes, strict=True):
            yield from (((resource, action, role), other) for other in Scope if other is not scope)


class Flipper:
    """A plugin of pytest that runs the tests of each flip, instead of all tests once, and writes one verdict each."""

    def __init__(self, mine: list[Flip], verdicts: int) -> None:
        self.mine, self.verdicts = mine, verdicts

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        connection.close()  # each fork opens its own
        for cell, other in self.mine:
            of_cell = [item for item in session.items if item.name.endswith(f"[{'-'.join(cell)}]")]
            literal = [item for item in session.items if getattr(item, "originalname", "") in LITERAL]
            if is_noticed(session, of_cell, cell, other):
                verdict = BEHAVIOUR
            else:
                verdict = BY_LITERAL if is_noticed(session, literal, cell, other) else SURVIVED
            os.write(self.verdicts, verdict)
        return True


def is_noticed(session: Any, items: Iterable[pytest.Item], cell: tuple[str, str, str], other: Scope) -> bool:
    """Whether one of these tests fails in a fork in which the cell is flipped."""
    child = os.fork()
    if child == 0:
        policy._scopes[cell] = other
        # The document is made from the table, too: to write it anew would take a second, and agree with the flip.
        setattr(published, "judge", lambda *_: None)  # noqa: B010  # an attribute that mypy takes for a method
        for item in items:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if session.testsfailed:
                os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def start(worker: str, mine: list[Flip]) -> int:
    """A process for these flips; returns where its verdicts can be read."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        os.environ["PYTEST_XDIST_WORKER"] = worker
        arguments = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "-p", "no:randomly", TESTS]
        os._exit(int(pytest.main(arguments, plugins=[Flipper(mine, writer)])))
    os.close(writer)
    return reader


def verdicts_of(reader: int, count: int, bar: "tqdm[Any]") -> list[bytes]:
    seen = []
    while verdict := os.read(reader, 1):
        seen.append(verdict)
        bar.update()
    if len(seen) != count:
        raise SystemExit(f"pytest ended after {len(seen)} of {count} flips.")
    return seen


def main() -> int:
    os.chdir(ROOT)
    every = list(flips(sys.argv[1:]))
    shares = [every[number :: len(WORKERS)] for number in range(len(WORKERS))]
    readers = [start(worker, share) for worker, share in zip(WORKERS, shares, strict=True)]
    with tqdm(total=len(every), unit="flip", mininterval=10) as bar, ThreadPoolExecutor() as pool:
        found = pool.map(lambda reader, share: verdicts_of(reader, len(share), bar), readers, shares)
        seen = dict(
            pair for share, verdicts in zip(shares, found, strict=True) for pair in zip(share, verdicts, strict=True)
        )
    survivors = [flip for flip, verdict in seen.items() if verdict == SURVIVED]
    for cell, other in survivors:
        print(f"not noticed: {'.'.join(cell)} flipped to {other}")
    counted = list(seen.values())
    print(
        f"{len(every)} flips of {len(every) // 2} cells: {counted.count(BEHAVIOUR)} noticed by behaviour, "
        f"{counted.count(BY_LITERAL)} by the literal tables alone, {len(survivors)} by nothing."
    )
    return 1 if survivors else 0


if __name__ == "__main__":
    raise SystemExit(main())
