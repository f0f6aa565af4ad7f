"""A kept connection is known to be alive without a statement, and known to be dead before one fails."""

import select
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from api.tests import serving
from api.tests.people_at_work import Person
from conftest import API, World


@pytest.fixture
def kept(db: None) -> Iterator[Any]:
    """A connection of its own, at rest between two requests."""
    wrapper = connection.copy()
    wrapper.connect()
    yield wrapper
    wrapper.close()


@pytest.fixture
def another(db: None) -> Iterator[Any]:
    """Outside of the test's transaction, so that it sees what the first one does meanwhile."""
    wrapper = connection.copy()
    yield wrapper
    wrapper.close()


def execute(wrapper: Any, statement: str, *parameters: Any) -> Any:
    with wrapper.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone() if cursor.description else None


def end(wrapper: Any, another: Any) -> None:
    """Waits for its end, too (milliseconds)."""
    assert execute(another, "SELECT pg_terminate_backend(%s, 5000)", wrapper.connection.get_backend_pid()) == (True,)


def last_statement(wrapper: Any, another: Any) -> str:
    (told,) = execute(
        another, "SELECT query FROM pg_stat_activity WHERE pid = %s", wrapper.connection.get_backend_pid()
    )
    return str(told)


def test_a_living_connection_is_asked_nothing(kept: Any, another: Any) -> None:
    execute(kept, "SELECT 'the last request'")
    assert kept.is_usable()
    assert last_statement(kept, another) == "SELECT 'the last request'"


def test_a_connection_whose_server_process_ended_is_not_used_again(kept: Any, another: Any) -> None:
    end(kept, another)
    assert not kept.is_usable()


def test_the_next_request_gets_a_new_connection(kept: Any, another: Any) -> None:
    kept.health_check_enabled, before = True, kept.connection
    kept.close_if_unusable_or_obsolete()  # as Django does when a request begins
    end(kept, another)
    assert execute(kept, "SELECT 1") == (1,)
    assert kept.connection is not before


def test_a_closed_connection_is_not_usable(kept: Any) -> None:
    kept.connection.close()
    assert not kept.is_usable()
    kept.close()
    assert not kept.is_usable()


def test_a_connection_on_which_something_was_said_is_asked(kept: Any, another: Any) -> None:
    """As after the ticket of a TLS session, or a setting that was changed: the server spoke, and lives."""
    execute(kept, "LISTEN gossip")
    execute(another, "NOTIFY gossip")
    assert select.select([kept.connection], [], [], 5)[0], "nothing was heard"
    assert kept.is_usable()
    assert last_statement(kept, another) == "SELECT 1"
    execute(kept, "SELECT 'the next request'")
    assert kept.is_usable()
    assert last_statement(kept, another) == "SELECT 'the next request'"


def test_connections_that_ended_between_two_requests_cost_nobody_anything(
    committed_world: World, tmp_path: Path
) -> None:
    sales = Person(serving.free_port(), "sales")
    with serving.api(tmp_path, sales.port, WEB_CONCURRENCY="1"):
        sales.log_in()
        serving.end_connections()
        sales.get(f"{API}clients/")
    assert not sales.doubtful, "something was answered with 503"
