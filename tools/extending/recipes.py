"""Reads the recipes of docs/extending.md. A recipe is the list of code blocks below a heading.

A block with a `title` is a new file. A block of `diff` changes files. A block of `bash` has commands.
"""

import re
from pathlib import Path
from typing import NamedTuple

_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


class Failed(Exception):
    """A recipe can't be executed. The message is a sentence that gives the reason."""


class Block(NamedTuple):
    language: str
    title: str
    text: str


def recipes(page: str) -> dict[str, list[Block]]:
    """Maps the heading of each recipe to its code blocks, for example "Add a field" -> […].

    Headings without a code block are left out.
    """
    _, *parts = _HEADING.split(page)
    found = {
        heading: [Block(*block) for block in _BLOCK.findall(text)] for heading, text in zip(parts[::2], parts[1::2])
    }
    return {heading: blocks for heading, blocks in found.items() if blocks}


def write(block: Block, root: Path) -> None:
    path = root / block.title
    if path.exists():
        raise Failed(f"{block.title} exists already.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, "utf-8")


def change(block: Block, root: Path) -> None:
    """Applies a diff without line numbers to the files in `root`.

    Raises Failed unless the file contains the old lines of each hunk exactly once.
    """
    for name, hunks in re.findall(r"^\+\+\+ (\S+)\n(.*?)(?=^--- |\Z)", block.text, re.MULTILINE | re.DOTALL):
        path = root / name
        text = path.read_text("utf-8")
        for hunk in re.split(r"^@@.*\n", hunks, flags=re.MULTILINE)[1:]:
            lines = hunk.splitlines(keepends=True)
            old = "".join(line[1:] for line in lines if line[:1] in " -")
            new = "".join(line[1:] for line in lines if line[:1] in " +")
            if text.count(old) != 1:
                raise Failed(f"{name} has these lines {text.count(old)} times, not once:\n{old}")
            text = text.replace(old, new)
        path.write_text(text, "utf-8")
