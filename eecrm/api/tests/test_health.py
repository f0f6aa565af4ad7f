"""Readiness is found once in a while, however many ask, and soon after things change."""

import time
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from access import refusals
from api import health
from api.tests.test_problems import failing
from conftest import Caller, World

READY = "/health/ready/"


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The readiness of a process that nobody has asked yet, and that keeps its verdict for an hour."""
    monkeypatch.setattr(health, "_readiness", health._Readiness())
    monkeypatch.setattr(health, "KEPT_SECONDS", 3_600)
    return monkeypatch


def is_over(kept: pytest.MonkeyPatch) -> None:
    kept.setattr(health._readiness, "_until", time.monotonic())


def test_a_verdict_counts_at_most_a_second() -> None:
    import importlib.util

    spec: Any = importlib.util.find_spec("api.health")
    source: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(source)
    assert 0 < source.KEPT_SECONDS <= 1


def test_who_asks_again_costs_no_statement(kept: Any, world: World, anonymous: Caller) -> None:
    assert anonymous.get(READY).status_code == 200
    with CaptureQueriesContext(connection) as statements:
        assert {anonymous.get(READY).status_code for _ in range(20)} == {200}
    assert not [one["sql"] for one in statements if "pg_" in one["sql"] or "django_migrations" in one["sql"]]


@pytest.mark.parametrize(
    "fault", ["SET LOCAL ROLE eecrm_sales", "SET LOCAL search_path = pg_catalog", "SET LOCAL ROLE eecrm_superuser"]
)
def test_whatever_the_database_refuses_to_readiness_is_a_503(fault: str, db: None) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(fault)
        answer = Browser().get(READY)
        transaction.set_rollback(True)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


def test_nor_while_the_database_is_away(kept: Any, world: World, anonymous: Caller) -> None:
    asked: list[str] = []

    def noted(execute: Any, sql: str, *rest: Any) -> Any:
        asked.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(noted), failing(OperationalError("server closed the connection")):
        assert [anonymous.get(READY).status_code for _ in range(5)] == [503] * 5
    assert asked.count("SHOW transaction_read_only") == 1


def test_a_database_that_goes_away_and_comes_back_is_noticed(kept: Any, world: World, anonymous: Caller) -> None:
    assert anonymous.get(READY).status_code == 200
    with failing(OperationalError("server closed the connection")):
        assert anonymous.get(READY).status_code == 200
        is_over(kept)
        answers = [anonymous.get(READY) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].json()["request_id"] != answers[1].json()["request_id"]
    is_over(kept)
    assert anonymous.get(READY).status_code == 200


@pytest.mark.parametrize(("state", "status"), [("53100", 200), ("57014", 503)])
def test_a_full_disk_is_a_warning(state: str, status: int, kept: Any, world: World, anonymous: Caller) -> None:
    def fill(execute: Any, sql: str, *rest: Any) -> Any:
        if sql == health._FILL_TEMPORARY_FILE:
            sql = f"DO $$ BEGIN RAISE 'full' USING ERRCODE = '{state}'; END $$"
        return execute(sql, *rest)

    with connection.execute_wrapper(fill):
        answer = anonymous.get(READY)
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["warnings"] == [{"check": "disk", "detail": refusals.DISK_FULL.sentence}]
    is_over(kept)
    assert "warnings" not in anonymous.get(READY).json()


def test_readiness_writes_to_the_disk(in_the_open: None) -> None:
    before = temporary_bytes()
    assert health._disk() is None
    assert temporary_bytes() - before > 100_000, "an answer from memory alone would say nothing of the disk"


def temporary_bytes() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT temp_bytes FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])
