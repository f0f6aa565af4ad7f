"""Reads the configuration from the process environment, then `.env`, then the file that `scripts/run` generated.

Every variable is listed in `.env.sample`; a test compares the two.

White space around a value doesn't belong to it, such as the line break at the end of a file with a secret. A line break
or another control character within a value is refused.
"""

import re
import sys
import unicodedata
from collections import ChainMap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from decouple import Config, RepositoryEnv, UndefinedValueError, strtobool, undefined
from django.core.exceptions import ImproperlyConfigured

from api.spelling import has_invisible

ROOT = Path(__file__).resolve().parents[2]


def _variables_in(path: Path) -> dict[str, str]:
    return RepositoryEnv(str(path)).data if path.is_file() else {}


def _trimmed(config: Config, name: str, default: Any) -> Any:
    value = config(name, default=default)
    return value.strip() if isinstance(value, str) else value


_operator_config = Config(ChainMap(_variables_in(ROOT / ".env")))

_APP_ENV = _trimmed(_operator_config, "APP_ENV", "local")
# `manage.py check_production` applies the rules of production on any machine.
_CHECKS_PRODUCTION = sys.argv[1:2] == ["check_production"]
IS_PRODUCTION = _APP_ENV == "production" or _CHECKS_PRODUCTION
HOME = ROOT / (_trimmed(_operator_config, "EECRM_HOME", "") or ".local")

# Production never reads generated secrets because they are for development only.
_config = (
    _operator_config
    if IS_PRODUCTION
    else Config(ChainMap(_variables_in(ROOT / ".env"), _variables_in(HOME / "settings.env")))
)


def read_also(file: str) -> None:
    """Reads generated secrets that only some processes may know, such as the migrator's password.

    Does nothing in production.
    """
    if not IS_PRODUCTION:
        _config.repository.maps.append(_variables_in(HOME / file))


_is_collecting = False
# Name of a variable -> sentence about its fault. If the settings fail, Django imports them again, but not the modules
# that they import. Faults of those modules wouldn't be found again, so the faults of the first import are kept.
_faults: dict[str, str] = {}
_unread: set[str] = set()  # names of variables that are missing or can't be used


def env(name: str, *, default: Any = undefined, cast: Any = undefined) -> Any:
    """Value of one variable. A variable without a default is required: if it is missing, the start fails."""
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


# Unicode categories: controls, line and paragraph separators, and bytes of the environment that aren't UTF-8.
_CONTROLS = {"Cc", "Zl", "Zp", "Cs"}
_HOLDING_PEM = {"JWT_SIGNING_KEY", "JWT_PREVIOUS_KEYS"}  # a PEM text has several lines


_TRIMMING = {"GROUPS"}  # `config.settings` removes invisible characters around a name, and refuses the others


def _refuse_unseen(name: str, text: str) -> None:
    """Raises ValueError if the text has a character that nobody sees, such as one that turns the direction of writing."""
    allowed = "\r\n" if name in _HOLDING_PEM and "-----BEGIN" in text else ""
    text = "".join(character for character in text if character not in allowed)
    if any(unicodedata.category(character) in _CONTROLS for character in text):
        raise ValueError("it holds a line break or another control character.")
    if name not in _TRIMMING and has_invisible(text):
        raise ValueError("it holds a character that nobody sees.")


def _cast(value: Any, cast: Any) -> Any:
    """Like python-decouple, for which the empty text is false."""
    if cast is bool:
        return value != "" and strtobool(value)
    return value if cast is undefined else cast(value)


def number(name: str, sentence: str, lowest: Any, highest: Any, *, default: Any = undefined, cast: Any = int) -> Any:
    """Number from `lowest` to `highest`. Any other number is refused with `sentence`.

    While faults are collected, it then returns the default, or `lowest` if there is none. A number out of range could
    raise an error later, which would hide the other faults.
    """
    value = env(name, default=default, cast=lambda value: cast(_plain(value)))
    if lowest <= value <= highest:  # NaN is in no range
        return value
    require(False, sentence)
    return lowest if default is undefined else default


def _plain(value: Any) -> Any:
    """Returns a number as it was typed. Python also reads `1_0` and digits of other scripts as numbers."""
    if isinstance(value, str) and re.fullmatch(r"[0-9.eE+-]+", value) is None:
        raise ValueError("it isn't a number in plain digits.")
    return value


def require(condition: bool, sentence: str) -> None:
    """Refuses to start with `sentence`, which begins with the variable's name, unless `condition` is true.

    Nothing is refused if the sentence names a variable that couldn't be read, because that fault is reported already.
    """
    names = re.findall(r"\b[A-Z][A-Z0-9_]+\b", sentence)
    if not condition and _unread.isdisjoint(names):
        _refuse(names[0] if names else sentence, sentence)


def attempt(factory: Callable[..., Any], **values: Any) -> Any:
    """Result of `factory`. If it raises ImproperlyConfigured, the start is refused and the result is None."""
    try:
        return factory(**values)
    except ImproperlyConfigured as error:
        require(False, str(error))
        return None


def collect_faults() -> None:
    """Collects faults until `refuse_faults` instead of raising the first, so that one start names all of them."""
    global _is_collecting
    _is_collecting = True
    require(_APP_ENV in ("local", "production"), "APP_ENV is local or production.")
    require(_APP_ENV == "production" or not _CHECKS_PRODUCTION, "APP_ENV must be production, in the environment.")


def refuse_faults() -> None:
    """Raises ImproperlyConfigured with a line for each fault, if there are any."""
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
    """Valid value that replaces a faulty one while faults are collected, so that the other settings can be read."""
    for value in ("" if default is undefined else default, "", "0"):
        try:
            return _cast(value, cast)
        except ValueError:
            continue
    raise AssertionError(f"{cast} takes nothing")
