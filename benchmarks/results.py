"""What a run has found out, and whether it is what we want (the goals)."""

import statistics
from dataclasses import dataclass, field
from typing import NamedTuple

from measuring import SERVER, Rounds, medians, times
from parts import AUTHORIZATION, PASSWORD_CHECK, WHOLE, Measured, Saved
from processor import Memory
from servers import FLOOR, OURS, USUAL, Implementation
from statements import Statements

READS = ("list", "detail", "filtered", "search", "sync")
MOST_STATEMENTS = 3
MOST_MEMORY = 90  # MiB
MOST_OF_LOGIN = 5  # ms
# How many times the floor they may cost, in processor time of the server.
MOST_TIMES = {"list": 2.5, "detail": 4.0, "create": 6.0}


@dataclass
class Results:
    rounds: dict[str, dict[Implementation, Rounds]] = field(default_factory=dict)  # by operation
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
    """Those about which this run can tell."""
    return [*_of_time(results), *_of_parts(results.parts), *_of_the_rest(results)]


def _of_time(results: Results) -> list[Goal]:
    found = []
    for name, most in MOST_TIMES.items():
        if one := results.rounds.get(name):
            sentence = f"{name}: at most {most:g} × the floor's processor time"
            found.append(at_most(sentence, times(one[OURS], one[FLOOR], SERVER), most, "{:.2f} ×"))
    if one := results.rounds.get("list"):
        cheaper = times(one[USUAL], one[OURS], SERVER)
        sentence = "list: at least 4 × cheaper than Django REST framework as everyone writes it"
        found.append(Goal(sentence, f"{cheaper:.1f} ×", cheaper >= 4))
    return found


def _of_parts(parts: Measured) -> list[Goal]:
    found = []
    if one := parts.get("list"):
        share = statistics.median(Saved.between(one[WHOLE], one[AUTHORIZATION]).share)
        found.append(at_most("list: authorization is at most 25 % of it", share, 0.25, "{:.0%}"))
    if one := parts.get("login"):
        rest = medians(one[PASSWORD_CHECK])
        sentence = "login: all but the password check takes at most 5 ms of the server's processor time"
        figure = f"{rest.server:.1f} ms ({rest.both:.1f} ms with the database's)"
        found.append(Goal(sentence, figure, rest.server <= MOST_OF_LOGIN))
    return found


def _of_the_rest(results: Results) -> list[Goal]:
    found = []
    counts = {name: results.statements[name, OURS].number for name in READS if (name, OURS) in results.statements}
    if counts:
        most = max(counts, key=lambda name: counts[name])
        figure = f"{counts[most]:g} ({most})"
        found.append(Goal(f"reads: at most {MOST_STATEMENTS} SQL statements", figure, counts[most] <= MOST_STATEMENTS))
    if memory := results.memory.get(OURS):
        sentence = f"memory: at most {MOST_MEMORY} MiB a worker, a page that several have counted once"
        found.append(at_most(sentence, memory.pss, MOST_MEMORY, "{:.0f} MiB"))
    return found
