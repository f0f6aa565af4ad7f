"""Prepares a PostgreSQL server for the application: creates roles, database, schema, tables and demo data."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import binaries
from dotenv import ROOT
from generated import select_for_migrator
from processes import Command, Failed, run, run_together, say

MANAGE: Command = [sys.executable, ROOT / "eecrm" / "manage.py"]
MIGRATE: Command = [*MANAGE, "migrate", "--no-input", "--verbosity=0", "--settings=config.migrator_settings"]
MIGRATIONS_FAILED = "The migrations failed; Django says why above."


def bootstrap(database: str, settings: Mapping[str, str]) -> None:
    """Runs bootstrap.sql as PostgreSQL's administrator.

    Passwords are passed in environment variables, because other users of the machine can read a command line.
    """
    # This import is late, because it makes config.environment read settings.env.
    from config import database_settings

    say(f"Preparing roles and schema of the database {database} …")
    for name in ("PG_HOST", "PG_ADMIN_USER", "PG_ADMIN_PASSWORD"):
        if not settings.get(name):
            raise Failed(f"{name} is not set: set it in the environment or .env.")
    environment = {
        "PGHOST": database_settings.HOSTS,
        "PGPORT": database_settings.PORTS,
        **{f"PG{name.replace('_', '').upper()}": value for name, value in database_settings.OPTIONS.items()},
        "PGUSER": settings["PG_ADMIN_USER"],
        "PGPASSWORD": settings["PG_ADMIN_PASSWORD"],
        "PGDATABASE": "postgres",
    }
    run(
        [_psql(), "--no-psqlrc", "--quiet", "--no-password", f"--file={ROOT / 'deploy/postgres/bootstrap.sql'}"],
        failure="The roles and the schema could not be prepared; psql says why above.",
        env=os.environ | settings | {"PG_DATABASE": database} | environment,
    )


def migrate(settings: Mapping[str, str]) -> None:
    """Runs the migrations as the role eecrm_migrator, because the role that serves requests may not change tables."""
    say("Migrating …")
    run(MIGRATE, failure=MIGRATIONS_FAILED, env=os.environ | select_for_migrator(settings))


def migrate_all(databases: Sequence[str], settings: Mapping[str, str]) -> None:
    say(f"Migrating {' and '.join(databases)} …")
    environment = os.environ | select_for_migrator(settings)
    run_together(MIGRATE, [environment | {"PG_DATABASE": name} for name in databases], failure=MIGRATIONS_FAILED)


def load_demo() -> None:
    """Loads the missing part of the demo data.

    If managers have edited the demo data, the rest may be impossible to load. Then only a message is printed.
    """
    say("Loading the demo data …")
    try:
        run([*MANAGE, "load_demo"], failure="The demo data could not be loaded; Django says why above.")
    except Failed as failure:
        say(f"{failure} Going on without it.")


def _psql() -> Path:
    programs = binaries.find()
    if programs is not None:
        return programs.path("psql")
    client = shutil.which("psql")
    if client is None:
        raise Failed("Preparing roles and schema takes psql, which was not found on PATH: install PostgreSQL's client.")
    return Path(client)
