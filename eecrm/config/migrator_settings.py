"""Settings for migrations: those of `config.settings`, but with the PostgreSQL role that may change tables.

Example: `python manage.py migrate --settings=config.migrator_settings`
"""

from config.environment import env, read_also
from config.settings import *  # noqa: F401, F403  # all settings are taken from config.settings
from config.settings import DATABASES

read_also("migrator.env")
DATABASES["default"] |= {
    "USER": env("PG_MIGRATOR_USER", default="eecrm_migrator"),
    "PASSWORD": env("PG_MIGRATOR_PASSWORD"),
    "CONN_MAX_AGE": 0,
}
