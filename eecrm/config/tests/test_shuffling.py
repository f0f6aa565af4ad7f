"""The order of the tests and their random numbers: the same again with the same seed, in each process."""

import os
import subprocess
import sys
from pathlib import Path

from config.environment import ROOT

SUITE = """
import os

import pytest


@pytest.mark.parametrize("number", range(30))
def test_one(number, chance):
    with open(os.environ["PYTEST_XDIST_WORKER"], "a") as told:
        print(number, chance.random(), file=told)
"""


def run(directory: Path, seed: int) -> set[str]:
    """What each of two processes ran and drew, in its order."""
    for name in ("gw0", "gw1"):
        (directory / name).unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-n2", "-p", "config.tests.shuffling", "-p", "no:django"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "eecrm")}
    done = subprocess.run(
        [*command, f"--randomly-seed={seed}"],
        cwd=directory, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"with -n 2 --randomly-seed={seed}, or" in done.stdout
    return {(directory / name).read_text() for name in ("gw0", "gw1")}


def test_a_seed_repeats_the_order_the_processes_and_the_random_numbers(tmp_path: Path) -> None:
    for name in ("test_a.py", "test_b.py", "test_c.py"):
        (tmp_path / name).write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    first = run(tmp_path, 1)
    assert len([line for text in first for line in text.splitlines()]) == 90
    assert run(tmp_path, 1) == first
    assert run(tmp_path, 2) != first
