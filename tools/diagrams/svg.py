"""Minimal SVG elements for boxes, tables and lines.

Text widths are estimated, because the reader's fonts are unknown.
"""

from collections.abc import Iterable
from html import escape

# The picture has a light background, so that it looks the same on GitHub's light and dark pages.
GROUND, PAPER, EDGE, BAND = "#f6f8fa", "#ffffff", "#d0d7de", "#eaeef2"
INK, MUTED, FAINT = "#1f2328", "#59636e", "#afb8c1"
BLUE, GREEN, AMBER, RED = "#0550ae", "#116329", "#7d4e00", "#a40e26"

_STYLE = """
text { font-family: -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; fill: #1f2328; }
.mono { font-family: ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; }
"""

MONO_ADVANCE = 0.61  # Share of the font size, in the widest of the monospaced fonts above.


def mono_width(text: str, size: float) -> float:
    return len(text) * size * MONO_ADVANCE


def number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def tag(name: str, content: str | None = None, **attributes: object) -> str:
    """One element; `content` is markup, so it isn't escaped.

    In attribute names underscores become hyphens, and a trailing one is dropped (`class_`).
    """
    markup = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{markup}/>" if content is None else f"<{name}{markup}>{content}</{name}>"


def _attribute(value: object) -> str:
    return number(value) if isinstance(value, int | float) else escape(str(value))


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: float = 12,
    fill: str | None = None,
    anchor: str | None = None,
    weight: int | None = None,
    mono: bool = False,
) -> str:
    """A line of text, vertically centred at `y`."""
    # `dominant-baseline` isn't used, because renderers disagree about it.
    return tag(
        "text", escape(words), x=x, y=y + round(size * 0.35), font_size=size, text_anchor=anchor, font_weight=weight,
        # The style sheet would override a fill attribute.
        style=f"fill:{fill}" if fill else None, class_="mono" if mono else None,
    )  # fmt: skip


def rect(
    x: float, y: float, width: float, height: float, *, fill: str, stroke: str | None = None, radius: float = 0
) -> str:
    return tag("rect", x=x, y=y, width=width, height=height, rx=radius or None, fill=fill, stroke=stroke)


def line(*points: tuple[float, float], stroke: str = EDGE, width: float = 1) -> str:
    path = " ".join(f"{number(x)},{number(y)}" for x, y in points)
    return tag("polyline", points=path, fill="none", stroke=stroke, stroke_width=width, stroke_linejoin="round")


def circle(x: float, y: float, radius: float, *, fill: str, stroke: str) -> str:
    return tag("circle", cx=x, cy=y, r=radius, fill=fill, stroke=stroke, stroke_width=1.5)


def pill(x: float, y: float, width: float, words: str, *, fill: str, ink: str, stroke: str | None = None) -> str:
    """A word on a rounded background, centred at the point."""
    ground = rect(x - width / 2, y - 9, width, 18, fill=fill, stroke=stroke, radius=9)
    return ground + text(x, y, words, size=11, fill=ink, anchor="middle", weight=600)


def heading(x: float, y: float, title: str, subtitle: str) -> list[str]:
    return [text(x, y, title, size=20, weight=600), text(x, y + 24, subtitle, size=12.5, fill=MUTED)]


def document(width: float, height: float, *, title: str, description: str, parts: Iterable[str]) -> str:
    ground = rect(0.5, 0.5, width - 1, height - 1, fill=GROUND, stroke=EDGE, radius=8)
    content = "\n".join(
        ["", tag("title", escape(title)), tag("desc", escape(description)), tag("style", _STYLE), ground, *parts, ""]
    )
    size = f"0 0 {number(width)} {number(height)}"
    return (
        tag("svg", content, xmlns="http://www.w3.org/2000/svg", viewBox=size, width=width, height=height, role="img")
        + "\n"
    )
