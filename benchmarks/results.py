"""Compares the results of a benchmark run with the goals."""

import statistics
from dataclasses import dataclass, field
from typing import NamedTuple

from parts import AUTHORIZATION, PASSWORD_CHECK, WHOLE, Measured, Saved
from processor import Memory
from samples import SERVER, Rounds, medians, times
from servers import DRF, FLOOR, OURS, Implementation
from statements import Statements

READS = ("list", "detail", "filtered", "search", "sync")
MAX_STATEMENTS = 3
MAX_MEMORY_MIB = 90
MAX_LOGIN_MS = 5
# These are the goals: the server's maximum processor time, as a multiple of the minimum (references/floor.py).
MAX_RATIO = {"list": 2.5, "detail": 4.0, "create": 6.0}


@dataclass
class Results:
    # Maps an operation, such as "list", to its implementations, and each implementation to its samples (one for each round).
    rounds: dict[str, dict[Implementation, Rounds]] = field(default_factory=dict)
    statements: dict[tuple[str, Implementation], Statements] = field(default_factory=dict)
    memory: dict[Implementation, Memory] = field(default_factory=dict)
    parts: Measured = field(default_factory=dict)


class Goal(NamedTuple):
    sentence: str
    figure: str
    is_met: bool


def at_most(sentence: str, figure: float, limit: float, text: str = "{:.2f}") -> Goal:
    return Goal(sentence, text.format(figure), figure <= limit)


def goals(results: Results) -> list[Goal]:
    """Returns the goals for which this run has figures, each with the measured figure and whether it is met."""
    return [*_time_goals(results), *_part_goals(results.parts), *_other_goals(results)]


def _time_goals(results: Results) -> list[Goal]:
    reached = []
    for name, limit in MAX_RATIO.items():
        if rounds := results.rounds.get(name):
            sentence = f"{name}: at most {limit:g} × the floor's processor time"
            reached.append(at_most(sentence, times(rounds[OURS], rounds[FLOOR], SERVER), limit, "{:.2f} ×"))
    if rounds := results.rounds.get("list"):
        ratio = times(rounds[DRF], rounds[OURS], SERVER)
        sentence = "list: at least 4 × cheaper than Django REST framework as everyone writes it"
        reached.append(Goal(sentence, f"{ratio:.1f} ×", ratio >= 4))
    return reached


def _part_goals(parts: Measured) -> list[Goal]:
    reached = []
    if rounds := parts.get("list"):
        share = statistics.median(Saved.between(rounds[WHOLE], rounds[AUTHORIZATION]).share)
        reached.append(at_most("list: authorization is at most 25 % of it", share, 0.25, "{:.0%}"))
    if rounds := parts.get("login"):
        rest = medians(rounds[PASSWORD_CHECK])
        sentence = "login: all but the password check takes at most 5 ms of the server's processor time"
        figure = f"{rest.server:.1f} ms ({rest.both:.1f} ms with the database's)"
        reached.append(Goal(sentence, figure, rest.server <= MAX_LOGIN_MS))
    return reached


def _other_goals(results: Results) -> list[Goal]:
    reached = []
    counts = {name: results.statements[name, OURS].number for name in READS if (name, OURS) in results.statements}
    if counts:
        name = max(counts, key=lambda name: counts[name])
        figure = f"{counts[name]:g} ({name})"
        reached.append(Goal(f"reads: at most {MAX_STATEMENTS} SQL statements", figure, counts[name] <= MAX_STATEMENTS))
    if memory := results.memory.get(OURS):
        sentence = f"memory: at most {MAX_MEMORY_MIB} MiB a worker, a page that several have counted once"
        reached.append(at_most(sentence, memory.pss, MAX_MEMORY_MIB, "{:.0f} MiB"))
    return reached
