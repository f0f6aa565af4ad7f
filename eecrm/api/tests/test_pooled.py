"""Behind PgBouncer in transaction mode: more workers than connections, and nobody gets anything that is anybody else's."""

import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import pytest
from django.core.management import call_command
from django.db import connection

from access.database import Origin, acting_as
from access.policy import Role
from api.tests import serving
from api.tests.people_at_work import WORK, Person, Write, work
from audit.models import Entry
from conftest import API, World

pytestmark = pytest.mark.skipif(serving.PROGRAM is None, reason=serving.MISSING)

# All that a transaction could leave on a connection for the next one. PgBouncer itself puts the settings right that each
# client may have a value of its own of.
_LEFT = f"""
SELECT nullif(current_setting('role'), 'none'), nullif(current_setting('eecrm.user_id', true), ''),
       {", ".join(f"nullif(current_setting('eecrm.{name}', true), '')" for name in Origin._fields)},
       (SELECT string_agg(name, ', ') FROM pg_settings WHERE source = 'session' AND name NOT IN
           ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings')),
       (SELECT string_agg(objid::text, ', ') FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
       (SELECT string_agg(name, ', ') FROM pg_prepared_statements), (SELECT string_agg(name, ', ') FROM pg_cursors),
       (SELECT string_agg(channel, ', ') FROM pg_listening_channels() AS channel), nullif(pg_my_temp_schema(), 0)
"""


class Served(NamedTuple):
    port: int
    pooler: serving.Program
    way: dict[str, Any]  # to PgBouncer, for a connection of Django


@pytest.fixture(scope="module")
def served(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home, port, listen_port = tmp_path_factory.mktemp("pooled"), serving.free_port(), serving.free_port()
    there = {"PG_HOST": "127.0.0.1", "PG_PORT": str(listen_port), "PG_SSLMODE": "require"}
    way = {"HOST": "127.0.0.1", "PORT": listen_port, "OPTIONS": {"sslmode": "require"}}
    with serving.pooler(home, listen_port) as pooler, serving.api(home, port, **there):
        yield Served(port, pooler, way)


@contextmanager
def through(way: dict[str, Any]) -> Iterator[Any]:
    """A connection of its own through PgBouncer."""
    wrapper = connection.copy()
    wrapper.settings_dict = connection.settings_dict | way
    try:
        yield wrapper
    finally:
        wrapper.close()


def left_on(wrapper: Any) -> list[Any]:
    with wrapper.cursor() as cursor:
        cursor.execute(_LEFT)
        return [each for each in cursor.fetchone() if each is not None]


def assert_nothing_is_left(served: Served) -> None:
    with ExitStack() as stack:
        wrappers = [stack.enter_context(through(served.way)) for _ in range(serving.POOL)]
        for wrapper in wrappers:
            wrapper.set_autocommit(False)  # each keeps its server's process until it is closed
            assert left_on(wrapper) == []
        assert len({wrapper.connection.get_backend_pid() for wrapper in wrappers}) == serving.POOL


def at_work(served: Served, world: World, meanwhile: Callable[[], object]) -> list[Person]:
    """Everybody at once, and `meanwhile` after each few answers: more often, a loaded machine would get nothing done."""
    people = [Person(served.port, name) for name in WORK]
    with ThreadPoolExecutor(len(people)) as pool:
        working = [pool.submit(work, person, world, turns=2) for person in people]
        seen = -1
        while wait(working, timeout=0.01).not_done:
            if (answered := sum(person.answered for person in people)) > seen:
                seen = answered
                meanwhile()
    for one in working:
        one.result()
    return people


def assert_the_trail_tells(people: list[Person]) -> None:
    """Each write as whoever did it knows it, and nothing else."""
    with acting_as(Role.SUPERUSER):
        told = {Write(*row) for row in Entry.objects.exclude(request_id="").values_list(*Write._fields)}
    written, doubtful = set().union(*(one.written for one in people)), set().union(*(one.doubtful for one in people))
    assert written <= told
    assert told <= written | doubtful


def test_nothing_of_a_request_reaches_the_next_one(served: Served, committed_world: World) -> None:
    found: list[Any] = []
    with through(served.way) as probe:
        people = at_work(served, committed_world, lambda: found.extend(left_on(probe)))
    assert found == []
    assert not [outage for person in people for outage in person.outages]
    assert_the_trail_tells(people)
    assert_nothing_is_left(served)


def test_a_connection_that_breaks_takes_nothing_to_another(served: Served, committed_world: World) -> None:
    people = at_work(served, committed_world, lambda: serving.end_connections("state <> 'idle' LIMIT 1"))
    assert any(person.doubtful for person in people), "nobody was in the way"
    assert_the_trail_tells(people)
    assert_nothing_is_left(served)


def test_whatever_ended_between_two_requests_costs_nobody_anything(served: Served, committed_world: World) -> None:
    sales = Person(served.port, "sales")
    sales.log_in()
    for ended in (serving.end_connections, served.pooler.stop):
        for _ in range(3 * serving.WORKERS):
            sales.get(f"{API}clients/")
        ended()
        if not served.pooler.is_ready():
            served.pooler.start()
    for _ in range(3 * serving.WORKERS):
        sales.get(f"{API}clients/")
    assert not sales.outages


def test_a_look_is_enough_over_tls_too(served: Served, committed_world: World) -> None:
    with through(served.way) as wrapper:
        wrapper.connect()
        assert wrapper.connection.info.ssl_in_use
        assert wrapper.is_usable(), "what TLS says after its handshake is taken for the end"
        with wrapper.cursor() as cursor:
            cursor.execute("SELECT 'the last request'")
        assert wrapper.is_usable()
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT query {serving.OTHERS} AND query LIKE %s", ["SELECT 'the%"])
            assert cursor.fetchone()
        served.pooler.stop()
        is_usable = wrapper.is_usable()
        served.pooler.start()
        assert not is_usable


def test_commands_and_the_worker_go_the_same_way(
    served: Served, committed_world: World, migrator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with migrator.cursor() as cursor:
        cursor.execute("TRUNCATE accounts_user CASCADE")
    connection.close()
    with monkeypatch.context() as patch:
        for name, value in served.way.items():
            patch.setitem(connection.settings_dict, name, value)
        call_command(
            "create_first_manager", username="first", email="first@epic.example", stdout=(told := io.StringIO())
        )
        call_command("run_worker", once=True)
        call_command("verify_audit", stdout=told)
        connection.close()
    assert "first is a manager." in told.getvalue()
    with migrator.cursor() as cursor:
        cursor.execute("SELECT last_id FROM audit.boundary")
        assert cursor.fetchone() > (0,), "the worker didn't come to sealing"
    assert_nothing_is_left(served)
