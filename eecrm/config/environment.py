"""Where configuration comes from: the process environment, then `.env`, then what `scripts/run` generated.

Every variable is listed in `.env.sample`; a test compares the two.
"""

from collections import ChainMap
from pathlib import Path
from typing import Any

from decouple import Config, RepositoryEnv, UndefinedValueError, undefined
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parents[2]


def _file(path: Path) -> dict[str, str]:
    return RepositoryEnv(str(path)).data if path.is_file() else {}


_chosen = Config(ChainMap(_file(ROOT / ".env")))

IS_PRODUCTION = _chosen("APP_ENV", default="local") == "production"
HOME = ROOT / _chosen("EECRM_HOME", default=".local")

# Generated secrets belong to a laptop: production never reads them.
_config = _chosen if IS_PRODUCTION else Config(ChainMap(_file(ROOT / ".env"), _file(HOME / "settings.env")))


def read_also(file: str) -> None:
    """Adds generated secrets that only some processes may know, such as the migrator's password."""
    if not IS_PRODUCTION:
        _config.repository.maps.append(_file(HOME / file))


def env(name: str, *, default: Any = undefined, cast: Any = undefined) -> Any:
    """The value of one variable; without a default it is required, and its absence stops the start by name."""
    try:
        return _config(name, default=default, cast=cast)
    except UndefinedValueError:
        where = "the environment" if IS_PRODUCTION else "the environment or .env, or let scripts/run generate it"
        raise ImproperlyConfigured(f"{name} is not set: set it in {where}.") from None
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} can't be used: {error}") from None


def require(condition: bool, sentence: str) -> None:
    """Stops the start with this sentence unless what it says holds."""
    if not condition:
        raise ImproperlyConfigured(sentence)
