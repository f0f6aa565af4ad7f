import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from access.database import acting_as
from access.policy import Role
from audit.models import Entry
from audit.tests.replica import Copies, Replica, wait_until_closed
from audit.trail import seals
from config.environment import env
from conftest import PATIENCE, WAITS, Caller, World, empty_the_trail


@pytest.fixture
def trail(committed_world: World, migrator: Any) -> "Trail":
    """An empty trail in the open, in a database where nobody else writes."""
    empty_the_trail()
    return Trail(migrator)


class Trail:
    """The tables of the trail in the hands of somebody who may do anything to them: the migrator."""

    def __init__(self, migrator: Any) -> None:
        self.migrator = migrator

    def run(self, sql: str, *values: Any) -> Any:
        with self.migrator.cursor() as cursor:
            cursor.execute(sql, values or None)
            return cursor.fetchall() if cursor.description else None

    def one(self, sql: str, *values: Any) -> Any:
        ((value,),) = self.run(sql, *values)
        return value

    def grow(self, number: int) -> tuple[int, int]:
        """So many entries more, in one transaction; the first and the last id. Quicker than by so many writes."""
        return self.run(
            "WITH made AS (INSERT INTO audit.entry (table_name, row_key, operation, actor_name, role, channel, request_id,"
            " reason, new) SELECT 'clients_client', n, 'update', 'sales', 'eecrm_sales', 'api', '', '', jsonb_build_object("
            " 'version', n, 'notes', 'é \"\\') FROM generate_series(1, %s) AS n RETURNING id) SELECT min(id), max(id) FROM made",
            number,
        )[0]

    def seal_up_to(self, last_id: int) -> None:
        """As the worker does, until it has come so far. Transactions of other databases delay it, as they may."""
        deadline = time.monotonic() + PATIENCE
        while self.one("SELECT coalesce(max(last_id), 0) FROM audit.seal") < last_id:
            assert time.monotonic() < deadline, "nothing was sealed"
            seals.seal_entries()


@pytest.fixture
def other_connection(committed_world: World) -> Iterator[Any]:
    """Somebody else at the same time, as the app role; opens a transaction by itself."""
    settings = connection.settings_dict
    opened = psycopg2.connect(
        host=settings["HOST"], port=settings["PORT"], dbname=settings["NAME"],
        user=settings["USER"], password=env("PG_PASSWORD"), options=WAITS,
    )  # fmt: skip
    yield opened
    opened.close()


class Verdict:
    """What `verify_audit` printed, and why it failed (empty if it didn't)."""

    def __init__(self, *arguments: str) -> None:
        output, self.failure = io.StringIO(), ""
        try:
            call_command("verify_audit", *arguments, stdout=output)
        except CommandError as error:
            assert error.returncode == 1
            self.failure = str(error)
        self.lines = output.getvalue().splitlines()
        self.problems = [line for line in self.lines if not line.startswith(("Not sealed", "The trail holds"))]


@pytest.fixture
def verify() -> Any:
    return Verdict


@pytest.fixture
def told(db: None) -> Any:
    """`told()`: the entries since the last call, in order."""
    seen = 0

    def since() -> list[Entry]:
        nonlocal seen
        with acting_as(Role.AUDITOR):
            rows = list(Entry.objects.filter(pk__gt=seen).order_by("pk"))
        seen = rows[-1].pk if rows else seen
        return rows

    return since


@pytest.fixture
def closed(committed_world: World, migrator: Any) -> Callable[[], None]:
    def wait() -> None:
        with migrator.cursor() as cursor:
            wait_until_closed(cursor)

    return wait


@pytest.fixture
def copy_of(committed_world: World, closed: Callable[[], None]) -> Iterator[Copies]:
    """`copy_of("partner")`: their copy, up to date."""

    def made(name: str, **parameters: Any) -> Replica:
        closed()
        copy = Replica(Caller.as_user(committed_world.users[name]), **parameters)
        closed()  # a login is an entry too, whose transaction is one that may come late
        copy.catch_up()
        return copy

    yield made
