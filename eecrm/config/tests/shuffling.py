"""A pytest plugin: the order of the tests and their random numbers come from one seed, `--randomly-seed` (pytest-randomly).

The same seed, tests and number of processes (`-n`) give the same order in each process again.
"""

from functools import cached_property
from random import Random
from typing import Any
from zlib import crc32

import pytest


def seed_of(config: pytest.Config) -> int | None:
    """The seed of this run; none with `-p no:randomly`."""
    return config.getoption("randomly_seed", None)


def _place(seed: int, name: str) -> int:
    return crc32(f"{seed} {name}".encode())


def pytest_collection_modifyitems(config: pytest.Config, items: list[Any]) -> None:
    """Shuffles the modules, and the tests of each.

    pytest-randomly has done so already, but pytest-django puts the tests with a database before those without one
    afterwards. That order would hide what a test leaves behind for another.
    """
    if (seed := seed_of(config)) is not None and config.getoption("randomly_reorganize"):
        items.sort(key=lambda item: (_place(seed, item.module.__name__), _place(seed, item.nodeid)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deals the tests out to the processes in turn, in the order of the seed.

    So each process gets as many tests of a module. xdist's own way depends on how fast each process is.
    """
    from xdist.scheduler import LoadScopeScheduling

    class BySeed(LoadScopeScheduling):
        @cached_property
        def _turns(self) -> dict[str, str]:
            return {nodeid: str(turn % self.numnodes) for turn, nodeid in enumerate(self.collection or ())}

        def _split_scope(self, nodeid: str) -> str:
            return self._turns[nodeid]

    return None if seed_of(config) is None else BySeed(config, log)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """pytest-randomly shows the seed at the start, and with -q never."""
    if (seed := seed_of(config)) is not None:
        number = config.getoption("numprocesses", None)
        processes = f"-n {number} " if number else ""
        terminalreporter.write_line(
            f"Random order: repeat it with {processes}--randomly-seed={seed}, or turn it off with -p no:randomly."
        )


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> Random:
    """Random numbers that belong to this test alone, and are the same again with the same seed."""
    return Random(f"{seed_of(request.config)} {request.node.nodeid}")
