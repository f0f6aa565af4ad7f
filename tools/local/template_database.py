"""The databases of the tests: a template that the migrations have made, and a copy of it for each test process.

The template's comment holds a digest of the code that made it. The template is made again when the digest differs.
"""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import database
from binaries import Binaries
from cluster import Cluster
from dotenv import ROOT
from processes import Failed, say
from psycopg2 import sql

NAME = "eecrm_test"


def update(server: Cluster, *, may_fail: bool) -> None:
    """Makes the template if there is none, or if the code has changed since it was made.

    Raises Failed if the migrations fail, unless `may_fail`.
    """
    wanted = digest(server.programs, ROOT)
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [NAME])
        if cursor.fetchone() == (wanted,):
            return
        _execute(cursor, "DROP DATABASE IF EXISTS {} WITH (FORCE)", NAME)
        database.bootstrap(NAME, server.settings)
        try:
            database.migrate(NAME, server.settings)
        except Failed as failure:
            if not may_fail:
                raise
            say(f"{failure} The command runs all the same, since it may be there to repair them.")
            return
        # The comment is written last. After a failed or interrupted migration, the next run finds no comment.
        _execute(cursor, f"COMMENT ON DATABASE {{}} IS '{wanted}'", NAME)


def copy(server: Cluster, names: list[str]) -> None:
    """Replaces each named database with a copy of the template, so that nothing is left of an earlier run."""
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        for name in names:
            _execute(cursor, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
            _execute(cursor, "CREATE DATABASE {} TEMPLATE {}", name, NAME)
    # CREATE DATABASE copies the tables of the template, but not the database's own privileges and settings.
    # bootstrap.sql sets these for each copy.
    database.bootstrap_all(names, server.settings)


def digest(programs: Binaries, root: Path) -> str:
    """Returns a digest of PostgreSQL's programs and of all files that decide what a new database contains."""
    found = hashlib.sha256(f"{programs.directory} {programs.version}".encode())
    for path in sorted(_sources(root)):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{path.relative_to(root)} {content}\n".encode())
    return found.hexdigest()


def _sources(root: Path) -> Iterator[Path]:
    """Yields every file of the application's code, because migrations and the policy may import any of these files."""
    yield from (root / "requirements.txt", root / "deploy" / "postgres" / "bootstrap.sql")
    for suffix in ("py", "sql"):
        for path in (root / "eecrm").rglob(f"*.{suffix}"):
            if "tests" not in path.parts and path.name != "conftest.py":
                yield path


def _execute(cursor: Any, statement: str, *names: str) -> None:
    cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
