"""Counts the SQL statements of a request in PostgreSQL's log. This way works with any driver and framework."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import stage
from load import Load
from operations import Operation
from processes import check_stopped
from servers import Server

COUNTED_REQUESTS = 20  # a request may send more statements than another, so the result is an average
_LOG = stage.HOME / "postgres" / "log"
_LINE = re.compile(r"^\[(?P<label>[^]]*)\] LOG:  (?:statement|execute [^:]+): (?P<sql>.*)", re.MULTILINE)
_BRACKETS = ("BEGIN", "COMMIT", "ROLLBACK")
_SETTINGS = {"log_statement": "all", "log_line_prefix": "[%a] "}


class Statements(NamedTuple):
    """The average number of SQL statements that a request sends.

    `brackets` counts statements that begin or end a transaction. `number` counts all other statements.
    """

    number: float
    brackets: float


@contextmanager
def logged(owner: Any) -> Iterator[None]:
    """Makes PostgreSQL log all statements during the block, also on connections that are already open."""
    with owner.cursor() as cursor:
        for name, value in _SETTINGS.items():
            cursor.execute(f"ALTER SYSTEM SET {name} = %s", [value])
        _reload(cursor, until="all")
        try:
            yield
        finally:
            for name in _SETTINGS:
                cursor.execute(f"ALTER SYSTEM RESET {name}")
            _reload(cursor, until="none")


def count(server: Server, load: Load, operation: Operation) -> Statements:
    """Counts the SQL statements of an operation. Call this function only in a block of `logged`."""
    # These first requests aren't counted, because a worker's first requests send more statements.
    server.ask(load, operation, amount=COUNTED_REQUESTS)
    _wait_until_idle(server)
    start = _LOG.stat().st_size
    server.ask(load, operation, amount=COUNTED_REQUESTS)
    _wait_until_idle(server)
    lines = _LINE.finditer(_LOG.read_bytes()[start:].decode(errors="replace"))
    sent = [line["sql"] for line in lines if line["label"] == server.implementation.label]
    brackets = sum(sql.upper().startswith(_BRACKETS) for sql in sent)
    return Statements((len(sent) - brackets) / COUNTED_REQUESTS, brackets / COUNTED_REQUESTS)


def _reload(cursor: Any, *, until: str) -> None:
    cursor.execute("SELECT pg_reload_conf()")
    while True:
        cursor.execute("SHOW log_statement")
        if cursor.fetchone() == (until,):
            return
        check_stopped()
        time.sleep(0.01)


def _wait_until_idle(server: Server) -> None:
    """Waits until the server has no open transaction. Some implementations end the transaction after they answer."""
    busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND state <> 'idle'"
    while True:
        with server.owner.cursor() as cursor:
            cursor.execute(busy, [server.implementation.label])
            if cursor.fetchone() == (0,):
                return
        check_stopped()
        time.sleep(0.01)
