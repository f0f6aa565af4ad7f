"""Where configuration comes from: the process environment, then `.env`, then what `scripts/run` generated.

Every variable is listed in `.env.sample`; a test compares the two.
"""

import re
import sys
from collections import ChainMap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from decouple import Config, RepositoryEnv, UndefinedValueError, undefined
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parents[2]


def _file(path: Path) -> dict[str, str]:
    return RepositoryEnv(str(path)).data if path.is_file() else {}


_chosen = Config(ChainMap(_file(ROOT / ".env")))

_APP_ENV = _chosen("APP_ENV", default="local")
# `manage.py check_production` reads everything as production does, wherever it runs.
_CHECKS_PRODUCTION = sys.argv[1:2] == ["check_production"]
IS_PRODUCTION = _APP_ENV == "production" or _CHECKS_PRODUCTION
HOME = ROOT / _chosen("EECRM_HOME", default=".local")

# Generated secrets belong to a laptop: production never reads them.
_config = _chosen if IS_PRODUCTION else Config(ChainMap(_file(ROOT / ".env"), _file(HOME / "settings.env")))


def read_also(file: str) -> None:
    """Adds generated secrets that only some processes may know, such as the migrator's password."""
    if not IS_PRODUCTION:
        _config.repository.maps.append(_file(HOME / file))


_is_collecting = False
# What is wrong: a sentence by the name of its variable. It is kept, since Django reads settings that failed once more, but not
# the modules that they have imported.
_faults: dict[str, str] = {}
_missing: set[str] = set()


def env(name: str, *, default: Any = undefined, cast: Any = undefined) -> Any:
    """The value of one variable. Without a default it is required: its absence stops the start by name."""
    try:
        return _config(name, default=default, cast=cast)
    except UndefinedValueError:
        where = "the environment" if IS_PRODUCTION else "the environment or .env, or let scripts/run generate it"
        _refuse(name, f"{name} is not set: set it in {where} (.env.sample says what it is).")
        _missing.add(name)
    except ValueError as error:
        _refuse(name, f"{name} can't be used: {error}")
    return _stand_in(default, cast)


def number(name: str, sentence: str, lowest: Any, highest: Any, *, default: Any = undefined, cast: Any = int) -> Any:
    """A number in this range. While faults are collected, another one is refused with the sentence, and doesn't go on: what is
    made of it would fail and hide the other faults."""
    value = env(name, default=default, cast=cast)
    if lowest <= value <= highest:  # not a number is in no range
        return value
    require(False, sentence)
    return lowest if default is undefined else default


def require(condition: bool, sentence: str) -> None:
    """Stops the start with this sentence, which begins with the variable's name, unless what it says holds."""
    names = re.findall(r"\b[A-Z][A-Z0-9_]+\b", sentence)
    if not condition and _missing.isdisjoint(names):
        _refuse(names[0] if names else sentence, sentence)


def attempt(made: Callable[..., Any], **values: Any) -> Any:
    """What this makes of values of the environment; None where it stops the start."""
    try:
        return made(**values)
    except ImproperlyConfigured as error:
        require(False, str(error))
        return None


def collect_faults() -> None:
    """From here on to `refuse_faults`, whatever is wrong is noted instead of raised, so that a start names all of it."""
    global _is_collecting
    _is_collecting = True
    require(_APP_ENV in ("local", "production"), "APP_ENV is local or production.")
    require(_APP_ENV == "production" or not _CHECKS_PRODUCTION, "APP_ENV must be production, in the environment.")


def refuse_faults() -> None:
    """Raises ImproperlyConfigured with a line for each of the faults."""
    global _is_collecting
    _is_collecting = False
    lines = list(_faults.values())
    if lines:
        raise ImproperlyConfigured(
            lines[0] if len(lines) == 1 else "\n  ".join([f"{len(lines)} variables are wrong:", *lines])
        )


def _refuse(name: str, sentence: str) -> None:
    if not _is_collecting:
        raise ImproperlyConfigured(sentence) from None
    _faults.setdefault(name, sentence)


def _stand_in(default: Any, cast: Any) -> Any:
    """Something of the kind of a variable that is wrong, so that the rest of the settings can be read."""
    for value in ("" if default is undefined else default, "", "0"):
        try:
            return value if cast is undefined else cast(value)
        except ValueError:
            continue
    raise AssertionError(f"{cast} takes nothing")
