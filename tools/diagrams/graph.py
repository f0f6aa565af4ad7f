"""Draws graphs of tables with Graphviz (@viz-js/viz, the WebAssembly build of Graphviz for Node.js)."""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import NamedTuple

import node
from own_server import LOCAL

# The pictures have a light background, so that they look the same on GitHub's light and dark pages.
GROUND, PAPER, EDGE, BAND = "#f6f8fa", "#ffffff", "#d0d7de", "#eaeef2"
INK, MUTED = "#1f2328", "#59636e"
BLUE, GREEN, AMBER, RED = "#0550ae", "#116329", "#7d4e00", "#a40e26"

_SOURCE = Path(__file__).parent
_HOME = LOCAL / "diagrams"
_GRAPH = f'bgcolor="{GROUND}" pad=0.4 rankdir=LR nodesep=0.2 ranksep=0.7 fontname=Helvetica labelloc=t labeljust=l'
_NODE = "shape=plain fontname=Helvetica fontsize=11"
_EDGE = f'dir=both color="{BLUE}" penwidth=1.2 arrowsize=0.9'


class Edge(NamedTuple):
    tail: str
    head: str
    attributes: str  # attributes in Graphviz's language


def tag(name: str, *content: str, **attributes: object) -> str:
    """Returns an element of Graphviz's HTML. `content` is markup, so it isn't escaped."""
    markup = "".join(f' {key}="{escape(str(value))}"' for key, value in attributes.items())
    return f"<{name}{markup}>{''.join(content)}</{name}>"


def text(words: str, size: int = 12, *, colour: str = INK, is_mono: bool = False, is_bold: bool = False) -> str:
    # Bold text uses a bold font, because Graphviz draws a <b> element a little higher than the rest of its line.
    face = ("Courier" if is_mono else "Helvetica") + ("-Bold" if is_bold else "")
    return tag("font", escape(words), **{"point-size": size, "color": colour, "face": face})


def muted(words: str, size: int = 12) -> str:
    return text(words, size, colour=MUTED)


def cell(*content: str, align: str = "left", **attributes: object) -> str:
    return tag("td", *content, align=align, balign=align, **attributes)


def table(rows: Iterable[str], **attributes: object) -> str:
    return tag("table", *rows, **{"border": 0, "cellborder": 0, "cellspacing": 0, "cellpadding": 5} | attributes)


def sheet(rows: Iterable[str]) -> str:
    """Returns a table with a frame."""
    return table(rows, border=1, color=EDGE, bgcolor=PAPER)


def draw(title: str, about: Iterable[str], nodes: Mapping[str, str], edges: Iterable[Edge] = ()) -> str:
    """Returns the graph as SVG. `about` has the lines below the title. `nodes` maps the name of a table to its HTML."""
    lines = text(title, 20, is_bold=True), *about, ""  # the empty line keeps a distance between heading and tables
    heading = table((tag("tr", cell(line)) for line in lines), cellpadding=2)
    statements = [
        f"graph [{_GRAPH} label=<{heading}>]",
        f"node [{_NODE}]",
        f"edge [{_EDGE}]",
        *(f"{name} [label=<{html}>]" for name, html in nodes.items()),
        *(f"{edge.tail} -> {edge.head} [{edge.attributes}]" for edge in edges),
    ]
    svg = _laid_out("\n".join([f'digraph "{title}" {{', *statements, "}"]))
    # Graphviz lays out the text in Courier, one of the few fonts whose widths it knows.
    # In the finished picture, better-looking fonts of nearly the same width replace Courier.
    return svg.replace('"Courier,monospace"', '"ui-monospace, Menlo, Consolas, monospace"')


def _laid_out(dot: str) -> str:
    node.packages(_SOURCE, _HOME)
    environment = node.programs() | {"NODE_PATH": str(_HOME / "node_modules")}
    command = ["node", str(_SOURCE / "graphviz.js")]
    drawn = subprocess.run(command, input=dot, env=environment, stdout=subprocess.PIPE, text=True)
    return sys.exit("Graphviz failed, see above.") if drawn.returncode else drawn.stdout
