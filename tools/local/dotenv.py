"""Reads settings from environment variables and `.env`, and defines the repository's path.

This module uses the standard library only, because install.py needs it before anything is installed.
"""

import os
import sys
from pathlib import Path

from processes import Failed

ROOT = Path(__file__).resolve().parents[2]

sys.path.insert(1, str(ROOT / "eecrm"))  # for all programs of this directory
from config.env_file import WrongFile, read_variables  # noqa: E402  # after the line that makes it importable


def read(path: Path) -> dict[str, str]:
    """Returns the variables in a file as the settings read them. Raises Failed for a file or a line that can't be read."""
    try:
        return read_variables(path)
    except WrongFile as error:
        raise Failed(str(error)) from None


def chosen(name: str) -> str:
    """Returns a trimmed setting that the user chose in the environment or `.env`; "" if the user chose none."""
    return _variables().get(name, "").strip()


def is_set(name: str) -> bool:
    return name in _variables()


def _variables() -> dict[str, str]:
    return read(ROOT / ".env") | dict(os.environ)
