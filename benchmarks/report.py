"""Renders the results of a benchmark run as Markdown."""

import importlib.metadata
import os
import platform
import re
import statistics
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import stage
from parts import WHOLE, Measured, Saved
from results import Goal, Results
from samples import BOTH, DATABASE, P50, P99, RATE, SERVER, Rounds, medians, times
from servers import FLOOR, Implementation

_PACKAGES = ("Django", "djangorestframework", "gunicorn", "psycopg2-binary", "fastapi", "SQLAlchemy", "uvicorn")


def page(heading: str, results: Results, reached: list[Goal]) -> str:
    sections = [heading]
    if results.rounds:
        sections += [summary(results), everything(results), memory(results)]
    if results.parts:
        sections.append(parts(results.parts))
    return "\n\n".join([*sections, goals(reached)])


def heading(owner: Any, rounds: int) -> str:
    """Returns a paragraph with the date of the run, the machine and the versions of the software."""
    model = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    processor = model[1].strip() if model else platform.machine()
    kernel = platform.release().partition("-")[0]
    with owner.cursor() as cursor:
        cursor.execute("SHOW server_version")
        postgresql = cursor.fetchone()[0].split()[0]
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    return (
        f"{date.today():%d %B %Y}; {processor}, {os.cpu_count()} cores; Linux {kernel}, Python "
        f"{platform.python_version()}, "
        f"PostgreSQL {postgresql}, {packages}. {stage.CLIENTS:,} clients; medians of {rounds} rounds."
    )


def table(lines: Iterable[Iterable[str]]) -> str:
    """Returns a Markdown table. The first of the `lines` is the header."""
    head, *rows = [list(line) for line in lines]
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *rows))


def summary(results: Results) -> str:
    """Returns a table of the server's processor milliseconds for each operation.

    The table also says how many times as long this is as in the smallest possible server (references/floor.py).
    """
    implementations = list(dict.fromkeys(name for rounds in results.rounds.values() for name in rounds))
    lines = [["server CPU a request", *(implementation.name for implementation in implementations)]]
    for name, rounds in results.rounds.items():
        cells = [_cell(rounds, implementation) for implementation in implementations]
        lines.append([name, *cells])
    return table(lines)


def _cell(rounds: dict[Implementation, Rounds], implementation: Implementation) -> str:
    if implementation not in rounds:
        return "—"
    samples = rounds[implementation]
    return f"{medians(samples).server:.2f} ms (× {times(samples, rounds[FLOOR], SERVER):.2f})"


def everything(results: Results) -> str:
    """Returns a table of all figures. Each line is about one operation of one implementation."""
    head = ["", "", "requests/s", "× floor", "server ms", "× floor", "database ms", "× floor", "both × floor"]
    head += ["p50 ms", "× floor", "p99 ms", "× floor", "SQL"]
    lines = [head]
    for name, rounds in results.rounds.items():
        for implementation, samples in rounds.items():
            median, floor = medians(samples), rounds[FLOOR]
            sent = results.statements[name, implementation]
            lines.append(
                [
                    name,
                    implementation.name,
                    f"{median.rate:.0f}",
                    f"{times(samples, floor, RATE):.2f}",
                    f"{median.server:.2f}",
                    f"{times(samples, floor, SERVER):.2f}",
                    f"{median.database:.2f}",
                    f"{times(samples, floor, DATABASE):.2f}",
                    f"{times(samples, floor, BOTH):.2f}",
                    f"{median.p50:.1f}",
                    f"{times(samples, floor, P50):.2f}",
                    f"{median.p99:.1f}",
                    f"{times(samples, floor, P99):.2f}",
                    f"{sent.number:g} + {sent.brackets:g}",
                ]  # fmt: skip
            )
    return table(lines)


def memory(results: Results) -> str:
    floor = results.memory[FLOOR]
    lines = [["memory of a worker, MiB", "RSS", "× floor", "all PSS / workers", "× floor"]]
    lines += [
        [
            implementation.name,
            *(f"{used.rss:.0f}", f"{used.rss / floor.rss:.2f}", f"{used.pss:.0f}", f"{used.pss / floor.pss:.2f}"),
        ]
        for implementation, used in results.memory.items()
    ]
    return table(lines)


def parts(measured: Measured) -> str:
    """Returns a table with the cost of each part of this project.

    The columns show what a request saves without the part: the server's milliseconds, these as a share of the server's
    whole time, the share in the middle half of the rounds, and the milliseconds of server and database together.
    """
    lines = [["without", "saves", "of the server's", "half of the rounds", "with the database's"]]
    for name, rounds in measured.items():
        whole = medians(rounds[WHOLE])
        lines.append([f"**{name}**, all of it", f"{whole.server:.2f} ms", "", "", f"{whole.both:.2f} ms"])
        for part, samples in rounds.items():
            if part is not WHOLE:
                lines.append([part.name, *_saved(Saved.between(rounds[WHOLE], samples))])
    return table(lines)


def _saved(saved: Saved) -> list[str]:
    server, both, share = (statistics.median(values) for values in saved)
    low, _, high = statistics.quantiles(saved.share, n=4, method="inclusive")
    return [f"{server:.2f} ms", f"{share:.0%}", f"{low:.0%} to {high:.0%}", f"{both:.2f} ms"]


def goals(reached: list[Goal]) -> str:
    rows = ([goal.sentence, goal.figure, "met" if goal.is_met else "**not met**"] for goal in reached)
    return table([["goal", "found", ""], *rows])
