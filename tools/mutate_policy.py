"""Mutation testing of the policy table: `scripts/mutate-policy [RESOURCE]`.

Changes one cell of the policy table at a time, and checks that a test fails. Such a change is called a flip. A flip
gives the cell another scope, such as "all" instead of "own". Exits 1 if there is a flip that no test notices.

For each flip, the cell's tests in `test_cells.py` run first. If none of them fails, the tests that compare the policy
table with a copy of the table run, too.

The run takes a few minutes. It uses two processes, each with its own database. A process imports and collects the tests
once, and then forks a new process for each flip.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TESTS = "eecrm/access/tests/test_cells.py"
# These tests compare the policy table with a copy of the table.
# If only these tests notice a flip, the flip changes no behaviour of the Python code.
LITERAL = ("test_everybody_is_told_their_own_column", "test_the_database_grants_what_the_table_says")
WORKERS = ("gw0", "gw1")

sys.path.insert(0, str(ROOT / "eecrm"))
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"

import django  # noqa: E402  # imported after the path and the settings are set

django.setup()

import pytest  # noqa: E402  # imported after Django has loaded the apps
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
    """A pytest plugin that runs the tests of each flip (changed cell of the policy table).

    For each flip, the plugin writes one byte to a pipe. The byte says which tests noticed the flip, if any.
    """

    def __init__(self, own_flips: list[Flip], verdicts: int) -> None:
        self.own_flips, self.verdicts = own_flips, verdicts

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        connection.close()  # each fork must open its own database connection
        for cell, other in self.own_flips:
            of_cell = [item for item in session.items if item.name.endswith(f"[{'-'.join(cell)}]")]
            literal = [item for item in session.items if getattr(item, "originalname", "") in LITERAL]
            if is_noticed(session, of_cell, cell, other):
                verdict = BEHAVIOUR
            else:
                verdict = BY_LITERAL if is_noticed(session, literal, cell, other) else SURVIVED
            os.write(self.verdicts, verdict)
        return True


def is_noticed(session: Any, items: Iterable[pytest.Item], cell: tuple[str, str, str], other: Scope) -> bool:
    """Gives the policy's cell the scope `other`, and runs the tests in a fork. Returns True if a test fails."""
    child = os.fork()
    if child == 0:
        policy._scopes[cell] = other
        # The comparison of answers with the OpenAPI document is turned off here.
        # It would find nothing, because the document would be generated from the changed cell, too.
        # Generating the document would take a second.
        setattr(published, "judge", lambda *_: None)  # noqa: B010  # mypy would refuse an assignment here
        for item in items:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if session.testsfailed:
                os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def start(worker: str, own_flips: list[Flip]) -> int:
    """Starts a process that tests these flips (changed cells of the policy table).

    Returns the file descriptor of a pipe, from which the results are read.
    """
    reader, writer = os.pipe()
    if os.fork() == 0:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        os.environ["PYTEST_XDIST_WORKER"] = worker
        arguments = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "-p", "no:randomly", TESTS]
        os._exit(int(pytest.main(arguments, plugins=[Flipper(own_flips, writer)])))
    os.close(writer)
    return reader


def verdicts_of(reader: int, count: int, bar: "tqdm[Any]") -> list[bytes]:
    verdicts = []
    while verdict := os.read(reader, 1):
        verdicts.append(verdict)
        bar.update()
    if len(verdicts) != count:
        raise SystemExit(f"pytest ended after {len(verdicts)} of {count} flips.")
    return verdicts


def main() -> int:
    os.chdir(ROOT)
    all_flips = list(flips(sys.argv[1:]))
    shares = [all_flips[number :: len(WORKERS)] for number in range(len(WORKERS))]
    readers = [start(worker, share) for worker, share in zip(WORKERS, shares, strict=True)]
    with tqdm(total=len(all_flips), unit="flip", mininterval=10) as bar, ThreadPoolExecutor() as pool:
        results = pool.map(lambda reader, share: verdicts_of(reader, len(share), bar), readers, shares)
        verdict_of = dict(
            pair for share, verdicts in zip(shares, results, strict=True) for pair in zip(share, verdicts, strict=True)
        )
    survivors = [flip for flip, verdict in verdict_of.items() if verdict == SURVIVED]
    for cell, other in survivors:
        print(f"not noticed: {'.'.join(cell)} flipped to {other}")
    counted = list(verdict_of.values())
    print(
        f"{len(all_flips)} flips of {len(all_flips) // 2} cells: {counted.count(BEHAVIOUR)} noticed by behaviour, "
        f"{counted.count(BY_LITERAL)} by the literal tables alone, {len(survivors)} by nothing."
    )
    return 1 if survivors else 0


if __name__ == "__main__":
    raise SystemExit(main())
