"""Entries that wait too long for their seal are told, with the transaction that holds them up, whichever database it is in."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest
from django.db import connection

from access.tests.standby import standby
from audit.tests.conftest import Trail
from audit.trail import seals
from config.environment import env
from conftest import PATIENCE, WAITS, Caller

ELSEWHERE = "eecrm_test"  # the template of the tests' databases


def wait_until_oldest(process: int) -> None:
    """The other process of the tests has transactions in this cluster, too: those that began to write before this one end."""
    deadline, older = time.monotonic() + PATIENCE, True
    while older:
        assert time.monotonic() < deadline, "older transactions stay open"
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) > 0 FROM pg_stat_activity AS other, pg_stat_activity AS this"
                " WHERE this.pid = %s AND age(other.backend_xid) > age(this.backend_xid)",
                [process],
            )
            (older,) = cursor.fetchone()


@contextmanager
def writing(database: str) -> Iterator[int]:
    """The process of a transaction of the migrator that writes and stays open."""
    settings = connection.settings_dict
    opened = psycopg2.connect(
        host=settings["HOST"], port=settings["PORT"], dbname=database, user="eecrm_migrator",
        password=env("PG_MIGRATOR_PASSWORD"), options=WAITS,
    )  # fmt: skip
    try:
        with opened.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()")
        yield opened.get_backend_pid()
    finally:
        opened.close()


def grow_old(trail: Trail, seconds: int) -> int:
    """Entries of so long ago; the last one."""
    _, last = trail.grow(2)
    trail.run("UPDATE audit.entry SET at = at - make_interval(secs => %s)", seconds)
    return last


def readiness() -> dict[str, Any]:
    answer = Caller().get("/health/ready/")
    assert answer.status_code == 200, answer.content
    told: dict[str, Any] = answer.json()
    return told


@pytest.fixture(params=["here", "elsewhere"])
def holder(request: Any, trail: Trail) -> Iterator[tuple[int, str]]:
    """A transaction that holds the seals of 75 seconds up: its process and its database."""
    here = connection.settings_dict["NAME"]
    database = here if request.param == "here" else ELSEWHERE
    with writing(database) as process:
        wait_until_oldest(process)
        last = grow_old(trail, 75)
        seals.seal_entries()  # notes a boundary, which the other transaction is older than
        yield process, database
    trail.seal_up_to(last)


def test_the_transaction_that_holds_seals_up_is_named(holder: tuple[int, str], verify: Any, caplog: Any) -> None:
    process, database = holder
    seals.seal_entries()
    seals.warn_of_unsealed()
    (line,) = [record for record in caplog.records if record.message == "trail_unsealed"]
    assert (line.pid, line.database, line.role) == (process, database, "eecrm_migrator")
    assert 75 <= line.seconds < 300
    verdict = verify("--verbosity=0", "--max-unsealed-age=60")
    held = f"process {process} of the role eecrm_migrator in the database {database} holds it up"
    assert held in verdict.failure and "At most 60 s were asked for." in verdict.failure
    assert verify("--verbosity=0", "--max-unsealed-age=300").failure == ""
    assert verify("--verbosity=0").failure == ""
    (warning,) = readiness()["warnings"]
    assert warning["check"] == "seals"
    assert warning["detail"].endswith("s old: see the worker's log.")
    assert database not in warning["detail"], "anybody may ask for readiness"


def test_a_process_of_our_own_role_is_told_with_its_start(trail: Trail, other_connection: Any) -> None:
    other_connection.cursor().execute("SELECT pg_current_xact_id()")
    wait_until_oldest(other_connection.get_backend_pid())
    grow_old(trail, 75)
    seals.seal_entries()
    found = seals.oldest_unsealed()
    assert found is not None
    assert (found.pid, found.role) == (other_connection.get_backend_pid(), "eecrm_app")
    assert found.since is not None
    assert f"holds it up since {found.since}." in str(found)


def test_where_no_worker_seals_nobody_is_blamed(trail: Trail, verify: Any) -> None:
    grow_old(trail, 75)
    with writing(connection.settings_dict["NAME"]):  # younger than no boundary
        assert verify("--verbosity=0", "--max-unsealed-age=60").failure.endswith(
            "s old, and no transaction holds it up: look whether a worker runs. At most 60 s were asked for."
        )
    assert [warning["check"] for warning in readiness()["warnings"]] == ["seals"]


def test_a_transaction_that_began_later_holds_nothing_up(trail: Trail) -> None:
    grow_old(trail, 75)
    seals.seal_entries()
    with writing(connection.settings_dict["NAME"]) as process:
        wait_until_oldest(process)  # the boundary is older than this transaction, and no other one is
        found = seals.oldest_unsealed()
        assert found is not None
        assert found.role is None


def test_entries_that_wait_as_long_as_usual_are_no_warning(trail: Trail, verify: Any, caplog: Any) -> None:
    grow_old(trail, 30)
    seals.warn_of_unsealed()
    assert readiness() == {"status": "ok"}
    assert verify("--verbosity=0", "--max-unsealed-age=60").failure == ""
    assert "trail_unsealed" not in [record.message for record in caplog.records]


def test_a_trail_that_is_sealed_to_its_end_waits_for_nothing(trail: Trail, verify: Any) -> None:
    trail.seal_up_to(grow_old(trail, 75))
    assert seals.oldest_unsealed() is None
    assert verify("--verbosity=0", "--max-unsealed-age=0").failure == ""
    assert readiness() == {"status": "ok"}


def test_a_prepared_transaction_has_a_name_and_no_process(trail: Trail) -> None:
    """In a copy of the server, since the tests' own allows none."""
    grow_old(trail, 75)
    with standby() as copy, copy.login(connection.settings_dict["NAME"]) as cursor:
        copy.promote()
        cursor.execute("BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'forgotten'")
        cursor.execute("SET search_path = eecrm; SELECT audit.seal_closed(50)")
        cursor.execute(seals._OLDEST)
        found = seals.Unsealed(*cursor.fetchone())
        cursor.execute("ROLLBACK PREPARED 'forgotten'")
    assert (found.pid, found.prepared, found.database) == (None, "forgotten", connection.settings_dict["NAME"])
    assert f": the prepared transaction 'forgotten' of the role {found.role} in the database" in str(found)
    assert found.since is not None


LOGIN_ROLES = ("PG", "PG_MIGRATOR", "PG_REPORT", "PG_BACKUP", "PG_ADMIN")


@pytest.mark.parametrize("prefix", LOGIN_ROLES)
def test_no_role_leaves_a_transaction_open_for_long(prefix: str, trail: Trail) -> None:
    name = os.environ.get(f"{prefix}_USER", f"eecrm_{prefix.removeprefix('PG_').lower()}")
    settings = connection.settings_dict
    opened = psycopg2.connect(
        host=settings["HOST"],
        port=settings["PORT"],
        dbname=settings["NAME"],
        user=name,
        password=os.environ[f"{prefix}_PASSWORD"],
    )
    with opened.cursor() as cursor:
        cursor.execute(
            "SELECT setting::integer BETWEEN 1 AND 60000 FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'"
        )
        assert cursor.fetchone() == (True,)
    opened.close()
