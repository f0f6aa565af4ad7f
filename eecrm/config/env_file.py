"""Reads files of settings, such as `.env`: a line `NAME=value` each, as in a shell or with Docker.

`scripts/run` imports this module before anything is installed, so it uses the standard library only.
"""

import re
from pathlib import Path

_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


class WrongFile(ValueError):
    """A file or a line that can't be read. The message doesn't contain the line, because it may have a secret."""


def read_variables(path: Path) -> dict[str, str]:
    """Returns the variables in a file; {} if there is no file. Quotes around a whole value are removed.

    Raises WrongFile for a line that is no variable, no comment and not empty. If it were skipped, a misspelt line
    APP_ENV would start a server of production as a local one. Raises WrongFile also for a directory, which Docker makes
    in place of a missing file, for a link to a missing file, and for a file that this account may not read.
    """
    content = _content(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise WrongFile(f"Line {number} of {path} isn't UTF-8.") from None
    variables = {}
    for number, line in enumerate(re.split(r"\r\n?|\n", text), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        assignment = _ASSIGNMENT.fullmatch(line)
        if assignment is None:
            raise WrongFile(f"Line {number} of {path} isn't NAME=value, a comment or empty.")
        name, value = assignment.groups()
        is_quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
        variables[name] = value[1:-1] if is_quoted else value
    return variables


def _content(path: Path) -> bytes:
    try:
        if path.is_fifo():  # to read it might wait for ever
            raise WrongFile(f"{path} can't be read: it is a pipe.")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise WrongFile(f"{path} is a link to a file that doesn't exist.") from None
        return b""
    except OSError as error:
        raise WrongFile(f"{path} can't be read: {error.strerror}.") from None
