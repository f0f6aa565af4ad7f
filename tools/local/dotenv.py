"""The repository's path, and the settings from the environment and `.env`.

Uses the standard library only, because install.py needs it before python-decouple is installed.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def read(path: Path) -> dict[str, str]:
    """The variables of a `.env` file, by the rules of python-decouple."""
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
    """The value from the environment or `.env`, trimmed; "" if unset or empty. Generated settings aren't read."""
    return _variables().get(name, "").strip()


def is_set(name: str) -> bool:
    return name in _variables()


def _variables() -> dict[str, str]:
    return read(ROOT / ".env") | dict(os.environ)
