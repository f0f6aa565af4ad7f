"""Migrations keep tables, columns, indexes and data. None needs a function or trigger of today (`<app>/sql/`)."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from access import sql_functions
from access.tests.clusters import Server, new_cluster
from config.environment import ROOT

ALIAS = "new"


@pytest.fixture
def new(worker_id: str, django_db_blocker: Any) -> Iterator[tuple[Server, BaseDatabaseWrapper]]:
    """A database without tables, and a connection to it as the migrator."""
    with new_cluster(f"migrations-{worker_id}") as server, django_db_blocker.unblock():
        server.bootstrap()
        opened = connection.copy(ALIAS)
        opened.settings_dict |= {
            "NAME": server.settings["PG_DATABASE"], "HOST": server.settings["PG_HOST"], "PORT": server.settings["PG_PORT"],
            "USER": "eecrm_migrator", "PASSWORD": server.settings["PG_MIGRATOR_PASSWORD"],
        }  # fmt: skip
        connections.settings[ALIAS] = opened.settings_dict
        connections[ALIAS] = opened
        try:
            yield server, opened
        finally:
            opened.close()
            del connections[ALIAS], connections.settings[ALIAS]


def executor_of(opened: BaseDatabaseWrapper) -> MigrationExecutor:
    return MigrationExecutor(opened)


def functions(server: Server) -> set[str]:
    """The project's own; those of extensions aren't of today's code."""
    return {
        name
        for (name,) in server.rows(
            "SELECT proname FROM pg_proc WHERE pronamespace::regnamespace::text IN ('eecrm', 'audit')"
            " AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')"
        )
    }


def manage(server: Server, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, ROOT / "eecrm" / "manage.py", *arguments, "--settings=config.migrator_settings"],
        env=os.environ | server.settings,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_prefix_of_the_migrations_runs_without_the_functions_of_today(
    new: tuple[Server, BaseDatabaseWrapper],
) -> None:
    server, opened = new
    executor = executor_of(opened)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    ours = [migration for migration, _ in plan if (ROOT / "eecrm" / migration.app_label).is_dir()]
    assert len(ours) >= 10
    for migration, _ in plan:
        executor_of(opened).migrate([(migration.app_label, migration.name)])
        assert not functions(server), migration
    # Back by one of ours at a time, and forward again: a prefix that somebody went back to is one like the others.
    for migration in reversed(ours):
        back = [parent for parent in migration.dependencies if parent[0] == migration.app_label]
        executor_of(opened).migrate(back or [(migration.app_label, None)])
        assert not functions(server), migration
    executor_of(opened).migrate(executor.loader.graph.leaf_nodes())
    opened.close()

    done = manage(server, "migrate")
    assert (done.returncode, "No migrations to apply" in done.stdout) == (0, True), done.stderr
    assert functions(server) == set(sql_functions.sources())
    checked = manage(server, "sync_database", "--check")
    assert (checked.returncode, checked.stdout) == (0, "The database says what the code says.\n"), checked.stderr
