"""What stands in a PostgreSQL server before the application can: roles, database, schema, tables."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import binaries
from config.environment import ROOT, env
from processes import Command, Failed, run, run_together, say

MANAGE: Command = [sys.executable, ROOT / "eecrm" / "manage.py"]
MIGRATE: Command = [*MANAGE, "migrate", "--no-input", "--settings=config.migrator_settings"]
MIGRATIONS_FAILED = "The migrations failed; Django says why above."


def name() -> str:
    chosen: str = env("PG_DATABASE", default="eecrm")
    return chosen


def bootstrap(database: str) -> None:
    """Runs bootstrap.sql as the administrator, with all passwords in the environment and none on the command line."""
    say(f"Preparing roles and schema of the database {database} …")
    environment = os.environ | {
        "PGHOST": env("PG_HOST"),
        "PGPORT": env("PG_PORT", default="5432"),
        "PGUSER": env("PG_ADMIN_USER"),
        "PGPASSWORD": env("PG_ADMIN_PASSWORD"),
        "PGDATABASE": "postgres",
        "PGSSLMODE": env("PG_SSLMODE", default="prefer"),
        "PG_DATABASE": database,
        "PG_PASSWORD": env("PG_PASSWORD"),
        "PG_MIGRATOR_PASSWORD": env("PG_MIGRATOR_PASSWORD"),
        "PG_REPORT_PASSWORD": env("PG_REPORT_PASSWORD"),
        "PG_BACKUP_PASSWORD": env("PG_BACKUP_PASSWORD"),
    }
    run(
        [_psql(), "--no-psqlrc", "--quiet", "--no-password", f"--file={ROOT / 'deploy/postgres/bootstrap.sql'}"],
        failure="The roles and the schema could not be prepared; psql says why above.",
        env=environment,
    )


def migrate() -> None:
    """As the migrator: the role that serves requests may change rows, not tables."""
    say("Migrating …")
    run(MIGRATE, failure=MIGRATIONS_FAILED)


def migrate_all(databases: Sequence[str]) -> None:
    say(f"Migrating {' and '.join(databases)} …")
    run_together(MIGRATE, [os.environ | {"PG_DATABASE": name} for name in databases], failure=MIGRATIONS_FAILED)


def load_demo() -> None:
    say("Loading the demo data …")
    run([*MANAGE, "load_demo"], failure="The demo data could not be loaded; Django says why above.")


def _psql() -> Path:
    found = binaries.found()
    if found is not None:
        return found.path("psql")
    client = shutil.which("psql")
    if client is None:
        raise Failed("Preparing roles and schema takes psql, which was not found on PATH: install PostgreSQL's client.")
    return Path(client)
