"""Measures seven operations, such as "list", of this project and of three reference implementations. See README.md."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import load
import parts
import report
import stage
import statements
from operations import OPERATIONS, Operation
from processes import Failed, say, status_of
from results import Results, goals
from samples import Rounds, sample
from servers import DRF, FASTAPI, FLOOR, OURS, Implementation, Server, running
from tqdm import tqdm

IMPLEMENTATIONS = (FLOOR, OURS, FASTAPI, DRF)
PARTS = "parts"  # extra name for --operations: measures the cost of each part of this project
ALL = (*OPERATIONS, PARTS)
RESULTS_PAGE, PICTURE = stage.ROOT / "benchmarks" / "results.md", stage.ROOT / "img" / "benchmark.png"
_SAME_ANSWER = ("list", "detail", "filtered", "search", "sync")


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--requests", type=int, help="of each implementation in each round; each operation has its own")
    parser.add_argument("--operations", type=_names, default=ALL, metavar=",".join(ALL))
    options = parser.parse_args(arguments)
    chosen = [
        operation._replace(requests=options.requests or operation.requests)
        for name, operation in OPERATIONS.items()
        if name in options.operations
    ]
    _install()
    with stage.prepared(for_comparison=True), load.generator() as generator:
        results = _measure(generator, chosen, options.rounds)
        if PARTS in options.operations:
            names = [operation.name for operation in chosen] or list(OPERATIONS)
            results.parts = _measure_parts(generator, names, options.rounds, options.requests)
        with closing(stage.connect("PG_ADMIN", "postgres")) as owner:
            heading = report.heading(owner, options.rounds)
    reached = goals(results)
    text = report.page(heading, results, reached)
    say(f"\n{text}")
    if set(options.operations) == set(ALL) and options.requests is None:
        _write(text, results)  # a partial run writes no files, because it would overwrite complete results
    return 0 if all(goal.is_met for goal in reached) else 1


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(ALL):
        raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}")
    return names


def _install() -> None:
    """Installs the packages that only the benchmarks need."""
    requirements = stage.ROOT / "benchmarks" / "requirements.txt"
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    if subprocess.run([*pip, f"--requirement={requirements}"]).returncode:
        raise Failed("The benchmark's requirements could not be installed, see above.")


def _measure(generator: load.Load, chosen: Sequence[Operation], rounds: int) -> Results:
    results = Results()
    with running(*IMPLEMENTATIONS) as servers:
        _refuse_different_answers(servers)
        with _progress(rounds * sum(len(_supporting(servers, operation)) for operation in chosen)) as bar:
            for operation in chosen:
                results.rounds[operation.name] = _rounds(
                    _supporting(servers, operation), generator, operation, rounds, bar
                )
        results.memory = {server.implementation: server.memory() for server in servers}
        with statements.logged(servers[0].owner):
            for operation in chosen:
                for server in _supporting(servers, operation):
                    sent = statements.count(server, generator, operation)
                    results.statements[operation.name, server.implementation] = sent
    return results


def _rounds(
    servers: Sequence[Server], generator: load.Load, operation: Operation, number: int, bar: Any
) -> dict[Implementation, Rounds]:
    for server in servers:
        server.log_in()
        server.ask(generator, operation, amount=max(operation.requests // 4, 10))  # warm-up, which isn't measured
    rounds: dict[Implementation, Rounds] = {server.implementation: [] for server in servers}
    for _ in range(number):
        for server in servers:
            server.log_in()
            rounds[server.implementation].append(sample(server, generator, operation))
            bar.update()
    return rounds


def _supporting(servers: Sequence[Server], operation: Operation) -> list[Server]:
    return [server for server in servers if operation.name not in server.implementation.lacks]


def _measure_parts(generator: load.Load, names: Sequence[str], rounds: int, requests: int | None) -> parts.Measured:
    with _progress(parts.samples(names) * rounds) as bar:
        return parts.measure(generator, names, rounds, requests, bar.update)


def _progress(total: int) -> Any:
    """Returns a progress bar, which is shown only on a terminal."""
    return tqdm(total=total, unit="sample", leave=False, disable=None)


def _refuse_different_answers(servers: Sequence[Server]) -> None:
    """Raises Failed unless all implementations answer with the same rows.

    The costs of different answers can't be compared.
    """
    for server in servers:
        server.log_in()
    for name in _SAME_ANSWER:
        answers = [_rows(server.answer(OPERATIONS[name])) for server in _supporting(servers, OPERATIONS[name])]
        if not answers[0] or any(rows != answers[0] for rows in answers):
            raise Failed(f"The implementations don't answer {name} with the same rows.")


def _rows(answer: Any) -> Any:
    """Returns the rows of an answer without times and URLs, because the implementations write these differently."""
    rows = answer.get("results") or [change["data"] for change in answer.get("changes", ())] or [answer]
    return [{name: value for name, value in row.items() if not name.endswith("_at") and name != "url"} for row in rows]


def _write(text: str, results: Results) -> None:
    import plot

    RESULTS_PAGE.write_text(f"# Results\n\n{text}\n", "utf-8")
    plot.draw(results, PICTURE)
    say(f"\nWrote {RESULTS_PAGE.relative_to(stage.ROOT)} and {PICTURE.relative_to(stage.ROOT)}.")


if __name__ == "__main__":
    sys.exit(status_of(main, *sys.argv[1:]))
