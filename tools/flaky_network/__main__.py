"""Runs the workflow many times over a flaky network, then checks the rows in the database.

Each row must exist once, each change must be applied once, and each offline copy must equal the lists of the API.
"""

import os
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor, as_completed
from random import Random
from typing import Any
from urllib.parse import urlsplit

from chaos import Chaos
from line import FAULTS
from own_server import LOCAL, running
from phone import Phone, all_of
from tqdm import tqdm
from workflow import ENTRIES, Crew, play

HOME = LOCAL / "phone"
CREWS = 3


def main(workflows: int, seed: int) -> int:
    print(f"{workflows} workflows, seed {seed}")
    chance, run, began = Random(seed), f"run{seed}", time.monotonic()
    with running(HOME, RATE_LIMIT_FACTOR="100") as server:
        crews = [Crew.of(server.address, Random(chance.random())) for _ in range(CREWS)]
        chaos = Chaos(server.process.pid, HOME, Random(chance.random()))
        chaos.start()
        try:
            play_all(crews, run, workflows)
        finally:
            chaos.stop()
        phones = [phone for crew in crews for phone in crew[:4]]
        for phone in phones:
            phone.line.chance = NoFaults()
        report(phones, chaos, time.monotonic() - began)
        faults = [*faults_of_rows(crews[0].management, run, workflows), *faults_of_copies(crews)]
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{len(faults)} faults in {workflows} workflows")
    return 1 if faults else 0


class NoFaults(Random):
    """A random generator that never chooses a fault, for the checks at the end.

    `choices` always returns the first item. The first of FAULTS is the empty name, which means no fault.
    """

    def choices(self, population: Any, *_: Any, **__: Any) -> list[Any]:
        return [next(iter(population))]


def play_all(crews: list[Crew], run: str, workflows: int) -> None:
    """Runs all workflows. A crew is a group of phones that runs one workflow after the other, in a thread of its own.

    The workflows are dealt out in turn: with three crews, crew 0 runs the workflows 0, 3, 6 …
    """

    def play_some(first: int) -> None:
        for number in range(first, workflows, len(crews)):
            play(crews[first], run, number)
            progress.update()

    with tqdm(total=workflows, unit="workflow", mininterval=1) as progress, ThreadPoolExecutor(len(crews)) as pool:
        for future in as_completed([pool.submit(play_some, first) for first in range(len(crews))]):
            future.result()


def faults_of_rows(manager: Phone, run: str, workflows: int) -> list[str]:
    """Returns a sentence for each row that is lost, duplicated, unfinished or overwritten, or has a wrong history."""
    faults = []
    expected = {f"{run} {number:05}" for number in range(workflows)}
    for noun, entries in tqdm(ENTRIES.items(), desc="looking at all", unit="noun"):
        made: dict[str, list[Any]] = defaultdict(list)
        for row in all_of(manager, noun):
            name = row["company_name" if noun == "clients" else "name"]
            if name.startswith(f"{run} "):
                made[name].append(row)
        faults += [f"{noun}: {name} is lost" for name in expected - made.keys()]
        faults += [f"{noun}: {name} is there {len(rows)} times" for name, rows in made.items() if len(rows) > 1]
        for name, (row, *_) in made.items():
            if not is_complete(noun, row):
                faults.append(f"{noun}: {name} was written over: {row}")
            history = manager.get(f"{urlsplit(row['url']).path}history/?page_size=200")["results"]
            if len(history) != entries:
                faults.append(f"{noun}: {name} has {len(history)} entries instead of {entries}")
    return faults


def is_complete(noun: str, row: Any) -> bool:
    if noun == "clients":
        return row["status"] == "client" and sorted(row["last_name"].split()) == ["(c)", "(s)", "Roth"]
    if noun == "contracts":
        return row["status"] == "signed"
    return row["status"] == "closed" and sorted(row["notes"][1:-1].split("][")) == ["management", "support"]


def faults_of_copies(crews: list[Crew]) -> list[str]:
    """Returns a sentence for each offline copy that differs from the API's lists for the same account."""
    faults = []
    for copy in tqdm([copy for crew in crews for copy in crew.copies], desc="comparing copies", unit="copy"):
        copy.catch_up()
        shown = {(noun[:-1], row["id"]): row for noun in ENTRIES for row in all_of(copy.phone, noun)}
        if shown != copy.rows:
            astray = {place for place in shown.keys() | copy.rows.keys() if shown.get(place) != copy.rows.get(place)}
            faults.append(f"the copy of {copy.phone.username} is astray: {sorted(astray)[:5]}")
    return faults


def report(phones: list[Phone], chaos: Chaos, seconds: float) -> None:
    faults = sum((phone.line.faults for phone in phones), Counter[str]())
    met = sum((phone.met for phone in phones), Counter[str]())
    print(f"{faults.total()} requests in {seconds:.0f} s; {faults['']} went well")
    for name in [*FAULTS, "the server went away"]:
        if name:
            print(f"  {faults[name]:6} {name}")
    for name, number in sorted(met.items()):
        print(f"  {number:6} answers {name}" if name.isdigit() else f"  {number:6} {name}")
    for name, number in sorted(chaos.done.items()):
        print(f"  {number:6} {name}")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 1_000, int(os.environ.get("SEED", "1"))))
