"""What seven operations cost: the floor, two usual ways of writing them, and this project. See README.md."""

import argparse
import os
import sys
from pathlib import Path

import stage
from processes import Failed, say, status_of
from tqdm import tqdm

import load
from measuring import Rounds, Sample, log_in, medians, ratio, sample
from operations import OPERATIONS, Operation
from servers import FASTAPI, FLOOR, OURS, USUAL, Server, running

IMPLEMENTATIONS = (FLOOR, OURS, USUAL)


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, help="of each implementation in each round")
    parser.add_argument("--operations", default=",".join(OPERATIONS))
    options = parser.parse_args(arguments)
    with stage.prepared(with_copies=True), running(*IMPLEMENTATIONS) as servers, load.generator() as generator:
        for name in options.operations.split(","):
            operation = OPERATIONS[name]
            asked = [s for s in servers if not (s.implementation is USUAL and name == "sync")]
            log_in(asked)
            for s in asked:
                sample(s, generator, operation, max(20, (options.requests or operation.requests) // 4))
            rounds = {s.implementation: [] for s in asked}
            for _ in range(options.rounds):
                for s in asked:
                    rounds[s.implementation].append(sample(s, generator, operation, options.requests or operation.requests))
            for i, r in rounds.items():
                m = medians(r)
                say(f"{name:10} {i.name:26} {m.rate:7.0f}/s server {m.server:6.2f} ms (x {ratio(r, rounds[FLOOR]):5.2f}) database {m.database:6.2f} ms p50 {m.p50:.1f} p99 {m.p99:.1f}")
        for s in servers:
            say(f"{s.implementation.name}: {s.memory()}")
    return 0


if __name__ == "__main__":
    sys.exit(status_of(main, *sys.argv[1:]))
