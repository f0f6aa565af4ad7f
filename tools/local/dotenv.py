"""Reads settings from environment variables and `.env`, and defines the repository's path.

This module uses the standard library only, because install.py needs it before python-decouple is installed.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def read(path: Path) -> dict[str, str]:
    """Returns the variables in a `.env` file. The syntax of the file is that of python-decouple."""
    values = {}
    for line in path.read_text().splitlines() if path.is_file() else []:
        name, separator, value = line.strip().partition("=")
        if not separator or name.startswith("#"):
            continue
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        values[name.strip()] = value
    return values


def chosen(name: str) -> str:
    """Returns a trimmed setting that the user chose in the environment or `.env`; "" if the user chose none."""
    return _variables().get(name, "").strip()


def is_set(name: str) -> bool:
    return name in _variables()


def _variables() -> dict[str, str]:
    return read(ROOT / ".env") | dict(os.environ)
