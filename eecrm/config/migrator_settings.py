"""Settings for migrations: those of `config.settings`, but with the PostgreSQL role that may change tables.

Example: `python manage.py migrate --settings=config.migrator_settings`
"""

from config.environment import env, read_also, require
from config.settings import *  # noqa: F401, F403  # all settings are taken from config.settings
from config.settings import DATABASES

read_also("migrator.env")
_user = env("PG_MIGRATOR_USER", default="eecrm_migrator")
_password = env("PG_MIGRATOR_PASSWORD")
require(bool(_user), "PG_MIGRATOR_USER is empty.")
require(bool(_password), "PG_MIGRATOR_PASSWORD is empty.")
require(_password != DATABASES["default"]["PASSWORD"], "PG_MIGRATOR_PASSWORD must not be the PG_PASSWORD.")
DATABASES["default"] |= {"USER": _user, "PASSWORD": _password, "CONN_MAX_AGE": 0}
