"""The policy mutation test: `scripts/flip-policy [RESOURCE]`, two processes, a few minutes. Exits 1 where a flip survives.

Each flip runs in a fork, which has everything imported and one cell changed: the cell's behaviour is tested first
(`test_cells.py`), and where that has no test of its own, the literal tables.
"""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).resolve().parents[1]
TESTS = "eecrm/access/tests/test_cells.py"
# These compare the table with a copy of itself: a flip that only they notice has no behaviour of its own in Python.
LITERAL = ("test_everybody_is_told_their_own_column", "test_the_database_grants_what_the_table_says")

sys.path.insert(0, str(ROOT / "eecrm"))
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"

import django  # noqa: E402  # these need the path and the settings above

django.setup()

import pytest  # noqa: E402  # and these the loaded apps
from tqdm import tqdm  # noqa: E402

from access import policy  # noqa: E402
from access.policy import COLUMNS, TABLE, Scope  # noqa: E402

Flip = tuple[tuple[str, str, str], Scope]


def flips(resources: list[str]) -> Iterator[Flip]:
    for resource, action, *scopes in TABLE:
        if resources and resource not in resources:
            continue
        for role, scope in zip(COLUMNS, scopes, strict=True):
            yield from (((resource, action, role), other) for other in Scope if other is not scope)


def is_noticed(flip: Flip, worker: str, *selection: str) -> bool:
    """Run the tests of one flipped cell in a fork, against one of the two databases."""
    child = os.fork()
    if child == 0:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        os.environ["PYTEST_XDIST_WORKER"] = worker
        cell, other = flip
        policy._scopes[cell] = other
        os._exit(int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", *selection])))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, 1, 5):  # passed, failed, nothing selected
        raise SystemExit(f"pytest ended with {status} for {flip}.")
    return status == 1


def verdict(flip: Flip, workers: "SimpleQueue[str]") -> str:
    resource, action, role = flip[0]
    worker = workers.get()
    try:
        if is_noticed(flip, worker, TESTS, "-k", f"{resource}-{action}-{role}"):
            return "behaviour"
        literal = is_noticed(flip, worker, *(f"{TESTS}::{name}" for name in LITERAL))
        return "literal" if literal else "survived"
    finally:
        workers.put(worker)


def main() -> int:
    os.chdir(ROOT)
    workers: SimpleQueue[str] = SimpleQueue()
    for name in ("gw0", "gw1"):
        workers.put(name)
    every = list(flips(sys.argv[1:]))
    with ThreadPoolExecutor(2) as pool:
        verdicts = list(
            tqdm(pool.map(lambda flip: verdict(flip, workers), every), total=len(every), unit="flip", mininterval=10)
        )
    survivors = [flip for flip, seen in zip(every, verdicts, strict=True) if seen == "survived"]
    for cell, other in survivors:
        print(f"not noticed: {'.'.join(cell)} flipped to {other}")
    print(
        f"{len(every)} flips of {len(every) // 2} cells: {verdicts.count('behaviour')} noticed by behaviour, "
        f"{verdicts.count('literal')} by the literal tables alone, {len(survivors)} by nothing."
    )
    return 1 if survivors else 0


if __name__ == "__main__":
    raise SystemExit(main())
