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
BOOTSTRAP_FAILED = "The roles and the schema could not be prepared; psql says why above."


def bootstrap(name: str, settings: Mapping[str, str]) -> None:
    """Runs bootstrap.sql as PostgreSQL's administrator."""
    say(f"Preparing roles and schema of the database {name} …")
    run(_bootstrap(), failure=BOOTSTRAP_FAILED, env=_bootstrap_environment(name, settings))


def bootstrap_all(names: Sequence[str], settings: Mapping[str, str]) -> None:
    """Starts bootstrap.sql for several databases at the same time.

    The runs wait for each other only while they change the server or a database, because bootstrap.sql takes a lock.
    """
    environments = [_bootstrap_environment(name, settings) for name in names]
    run_together(_bootstrap(), environments, failure=BOOTSTRAP_FAILED)


def _bootstrap() -> Command:
    return [_psql(), "--no-psqlrc", "--quiet", "--no-password", f"--file={ROOT / 'deploy/postgres/bootstrap.sql'}"]


def _bootstrap_environment(name: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables that bootstrap.sql and psql read.

    Passwords are passed in environment variables, because other users of the machine can read a command line.
    """
    # This import isn't at the top of the file, because it makes config.environment read settings.env.
    # At the start of the program, settings.env may not exist yet.
    from config import database_settings

    for required in ("PG_HOST", "PG_ADMIN_USER", "PG_ADMIN_PASSWORD"):
        if not settings.get(required):
            raise Failed(f"{required} is not set: set it in the environment or .env.")
    environment = {
        "PGHOST": database_settings.HOSTS,
        "PGPORT": database_settings.PORTS,
        **{f"PG{option.replace('_', '').upper()}": value for option, value in database_settings.OPTIONS.items()},
        "PGUSER": settings["PG_ADMIN_USER"],
        "PGPASSWORD": settings["PG_ADMIN_PASSWORD"],
        "PGDATABASE": "postgres",
    }
    return os.environ | settings | {"PG_DATABASE": name} | environment


def migrate(name: str, settings: Mapping[str, str]) -> None:
    """Runs the migrations as the role eecrm_migrator, because the role that serves requests may not change tables."""
    say(f"Migrating the database {name} …")
    environment = os.environ | {"PG_DATABASE": name} | select_for_migrator(settings)
    run(MIGRATE, failure="The migrations failed; Django says why above.", env=environment)


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
