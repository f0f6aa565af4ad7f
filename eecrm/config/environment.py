"""Reads the configuration: the process environment first, then `.env`, then the file that `scripts/run` generated.

The first source that sets a variable wins. Every variable is listed in `.env.sample`; a test compares that list with
the code.

White space around a value is removed, such as the line break at the end of a file with a secret. A line break or
another control character within a value is refused.
"""

import re
import sys
import unicodedata
from collections import ChainMap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from decouple import Config, UndefinedValueError, strtobool, undefined
from django.core.exceptions import ImproperlyConfigured

from api.spelling import has_invisible
from config.env_file import WrongFile, read_variables

ROOT = Path(__file__).resolve().parents[2]


def _variables_in(path: Path) -> dict[str, str]:
    try:
        return read_variables(path)
    except WrongFile as error:
        raise ImproperlyConfigured(str(error)) from None


def _trimmed(config: Config, name: str, default: Any) -> Any:
    value = config(name, default=default)
    return value.strip() if isinstance(value, str) else value


_operator_config = Config(ChainMap(_variables_in(ROOT / ".env")))

_APP_ENV = _trimmed(_operator_config, "APP_ENV", "local")
# `manage.py check_production` applies the rules of production on any machine.
_CHECKS_PRODUCTION = sys.argv[1:2] == ["check_production"]
IS_PRODUCTION = _APP_ENV == "production" or _CHECKS_PRODUCTION
HOME = ROOT / (_trimmed(_operator_config, "EECRM_HOME", "") or ".local")

# In production no generated secret is read, because `scripts/run` generates secrets for development only.
_config = (
    _operator_config
    if IS_PRODUCTION
    else Config(ChainMap(_variables_in(ROOT / ".env"), _variables_in(HOME / "settings.env")))
)


def read_also(file: str) -> None:
    """Reads another file of generated secrets, which only some processes may know, such as the migrator's password.

    In production it does nothing.
    """
    if not IS_PRODUCTION:
        _config.repository.maps.append(_variables_in(HOME / file))


_is_collecting = False
# Maps the name of a variable to a sentence about its fault.
# Faults found by the first import of the settings are kept, because a second import wouldn't find all of them.
# After a failed import Django imports the settings again, but not the modules that the settings import.
_faults: dict[str, str] = {}
_unread: set[str] = set()  # names of variables that are missing or can't be used


def env(name: str, *, default: Any = undefined, cast: Any = undefined) -> Any:
    """Returns the value of one variable. If a variable without a default is missing, the start fails."""
    try:
        value = _trimmed(_config, name, default)
        if isinstance(value, str):
            _refuse_unseen(name, value)
        return _cast(value, cast)
    except UndefinedValueError:
        where = "the environment" if IS_PRODUCTION else "the environment or .env, or let scripts/run generate it"
        _refuse(name, f"{name} is not set: set it in {where} (.env.sample says what it is).")
    except ValueError as error:
        _refuse(name, f"{name} can't be used: {error}")
    _unread.add(name)
    return _stand_in(default, cast)


# Unicode categories that values may not contain: controls, line and paragraph separators, bytes outside UTF-8.
_CONTROLS = {"Cc", "Zl", "Zp", "Cs"}
_HOLDING_PEM = {"JWT_SIGNING_KEY", "JWT_PREVIOUS_KEYS"}  # variables that may hold a PEM text (a key) of several lines


_TRIMMING = {"GROUPS"}  # `config.settings` removes invisible characters around a name, and refuses the others


def _refuse_unseen(name: str, text: str) -> None:
    """Raises ValueError if the text has an invisible character, such as a mark that turns the writing direction."""
    allowed = "\r\n" if name in _HOLDING_PEM and "-----BEGIN" in text else ""
    text = "".join(character for character in text if character not in allowed)
    if any(unicodedata.category(character) in _CONTROLS for character in text):
        raise ValueError("it holds a line break or another control character.")
    if name not in _TRIMMING and has_invisible(text):
        raise ValueError("it holds a character that nobody sees.")


def _cast(value: Any, cast: Any) -> Any:
    """Converts a value with `cast`. As in python-decouple, an empty text is false for `bool`."""
    if cast is bool:
        return value != "" and strtobool(value)
    return value if cast is undefined else cast(value)


def number(name: str, sentence: str, lowest: Any, highest: Any, *, default: Any = undefined, cast: Any = int) -> Any:
    """Returns the variable's value, a number from `lowest` to `highest`. `sentence` is the error for any other number.

    While faults are collected, a refused number is replaced by the default, or by `lowest` if there is no default.
    Otherwise a number out of range could raise an error later, which would hide the other faults.
    """
    value = env(name, default=default, cast=lambda value: cast(_plain(value)))
    if lowest <= value <= highest:  # false for NaN, so NaN is refused
        return value
    require(False, sentence)
    return lowest if default is undefined else default


def _plain(value: Any) -> Any:
    """Returns the value unchanged if it is a number in plain digits. Otherwise raises ValueError.

    Python would also read `1_0` and digits of other scripts as numbers.
    """
    if isinstance(value, str) and re.fullmatch(r"[0-9.eE+-]+", value) is None:
        raise ValueError("it isn't a number in plain digits.")
    return value


def require(condition: bool, sentence: str) -> None:
    """Refuses to start if `condition` is false. `sentence` is the error message, and begins with the variable's name.

    Nothing is refused if the sentence is about a variable that couldn't be read, because that fault is reported
    already.
    """
    names = re.findall(r"\b[A-Z][A-Z0-9_]+\b", sentence)
    if not condition and _unread.isdisjoint(names):
        _refuse(names[0] if names else sentence, sentence)


def attempt(factory: Callable[..., Any], **values: Any) -> Any:
    """Calls `factory` and returns its result.

    If `factory` raises ImproperlyConfigured, records this fault and returns None. `refuse_faults` later refuses the
    start, and reports all recorded faults.
    If an argument for `factory` is None, returns None without a call, because the argument's fault is recorded already.
    """
    if None in values.values():
        return None
    try:
        return factory(**values)
    except ImproperlyConfigured as error:
        require(False, str(error))
        return None


def collect_faults() -> None:
    """Starts to collect faults instead of raising the first one. `refuse_faults` then reports all of them at once."""
    global _is_collecting
    _is_collecting = True
    require(_APP_ENV in ("local", "production"), "APP_ENV is local or production.")
    require(_APP_ENV == "production" or not _CHECKS_PRODUCTION, "APP_ENV must be production, in the environment.")


def refuse_faults() -> None:
    """Raises ImproperlyConfigured with one line for each collected fault. Does nothing if no fault was collected."""
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
    """Returns a valid value in place of a faulty one, so that the other settings can be read.

    It is used only while faults are collected.
    """
    for value in ("" if default is undefined else default, "", "0"):
        try:
            return _cast(value, cast)
        except ValueError:
            continue
    raise AssertionError(f"{cast} takes nothing")
