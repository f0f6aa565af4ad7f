"""Draws img/benchmark.png: the processor time of each operation.

The unit is the processor time of the minimal implementation (references/floor.py).
"""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # makes matplotlib draw into a file, without a window

from matplotlib import pyplot  # noqa: E402  # pyplot must be imported after the backend is chosen
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator  # noqa: E402
from results import MAX_RATIO, Results  # noqa: E402
from samples import SERVER, times  # noqa: E402
from servers import DRF, FASTAPI, FLOOR, OURS  # noqa: E402

_COLOURS = {OURS: "#0f766e", FASTAPI: "#d6b370", DRF: "#9aa5b8"}
_WIDTH, _GAP = 0.26, 0.02
_GOAL = "at most, by its goal"
_INK, _LINES = "#1f2933", "#e3e6ea"


def draw(results: Results, target: Path) -> None:
    with pyplot.rc_context({"font.size": 10, "text.color": _INK, "axes.labelcolor": _INK, "xtick.color": _INK}):
        figure, axes = pyplot.subplots(figsize=(10, 4.8), layout="constrained")
        _bars(axes, results)
        _goals(axes, list(results.rounds))
        _scale(axes, list(results.rounds))
        axes.set_title(
            "Processor time of the server for a request, as a multiple of the floor", loc="left", pad=34, weight="bold"
        )
        *lines, goal = sorted(axes.get_legend_handles_labels()[0], key=lambda handle: handle.get_label() == _GOAL)
        axes.legend(handles=[*lines, goal], loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=4, frameon=False)
        figure.savefig(target, dpi=150)
        pyplot.close(figure)


def _bars(axes: Any, results: Results) -> None:
    for place, (implementation, colour) in enumerate(_COLOURS.items()):
        at = [number + (place - 1) * (_WIDTH + _GAP) for number in range(len(results.rounds))]
        values = [
            times(rounds[implementation], rounds[FLOOR], SERVER) if implementation in rounds else None
            for rounds in results.rounds.values()
        ]
        drawn = [(x, value) for x, value in zip(at, values, strict=True) if value is not None]
        where, heights = [x for x, _ in drawn], [value - 1 for _, value in drawn]
        bars = axes.bar(where, heights, _WIDTH, bottom=1, label=implementation.name, color=colour, zorder=2)
        texts = axes.bar_label(bars, [f"{value:.1f}" for _, value in drawn], padding=3, fontsize=8.5, zorder=4)
        for text in texts:  # the white background hides the line that marks a goal, if it runs behind the text
            text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.6})
            text.set_weight("bold" if implementation is OURS else "normal")
        for x, value in zip(at, values, strict=True):
            if value is None:
                axes.text(x, 1.04, "none", ha="center", va="bottom", fontsize=8.5, rotation=90, color="#7b8794")


def _goals(axes: Any, names: list[str]) -> None:
    at = [names.index(name) - _WIDTH - _GAP for name in MAX_RATIO if name in names]
    limits = [number for name, number in MAX_RATIO.items() if name in names]
    ends = ([x - _WIDTH / 2 - 0.05 for x in at], [x + _WIDTH / 2 + 0.05 for x in at])
    axes.hlines(limits, *ends, color="#b42318", linewidth=2.2, zorder=3, label=_GOAL)


def _scale(axes: Any, names: list[str]) -> None:
    axes.axhline(1, color=_INK, linewidth=1, zorder=3)
    axes.set_yscale("log")
    axes.set_ylim(1, 22)
    axes.yaxis.set_major_locator(FixedLocator([1, 2, 3, 5, 10, 20]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} ×"))
    axes.set_xticks(range(len(names)), names, fontsize=11)
    axes.tick_params(length=0)
    axes.grid(axis="y", color=_LINES, zorder=0)
    axes.spines[:].set_visible(False)
