"""How many SQL statements a request sends, as PostgreSQL itself logs them: whatever driver or framework sends them."""

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

ENOUGH = 20  # requests: what is sent now and then counts by how often it is
_LOG = stage.HOME / "postgres" / "log"
_LINE = re.compile(r"^\[(?P<label>[^]]*)\] LOG:  (?:statement|execute [^:]+): (?P<sql>.*)", re.MULTILINE)
_BRACKETS = ("BEGIN", "COMMIT", "ROLLBACK")
_SETTINGS = {"log_statement": "all", "log_line_prefix": "[%a] "}


class Statements(NamedTuple):
    """Round trips to the database a request: statements, and what only begins or ends a transaction."""

    number: float
    brackets: float


@contextmanager
def logged(owner: Any) -> Iterator[None]:
    """Connections that are open already obey it from their next statement on."""
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
    """While they are `logged`."""
    server.ask(load, operation, amount=ENOUGH)  # some things are asked once for a worker only
    _wait_until_idle(server)
    start = _LOG.stat().st_size
    server.ask(load, operation, amount=ENOUGH)
    _wait_until_idle(server)
    lines = _LINE.finditer(_LOG.read_bytes()[start:].decode(errors="replace"))
    sent = [line["sql"] for line in lines if line["label"] == server.implementation.label]
    brackets = sum(sql.upper().startswith(_BRACKETS) for sql in sent)
    return Statements((len(sent) - brackets) / ENOUGH, brackets / ENOUGH)


def _reload(cursor: Any, *, until: str) -> None:
    cursor.execute("SELECT pg_reload_conf()")
    while True:
        cursor.execute("SHOW log_statement")
        if cursor.fetchone() == (until,):
            return
        check_stopped()
        time.sleep(0.01)


def _wait_until_idle(server: Server) -> None:
    """Some end their transactions after they have answered."""
    busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND state <> 'idle'"
    while True:
        with server.owner.cursor() as cursor:
            cursor.execute(busy, [server.implementation.label])
            if cursor.fetchone() == (0,):
                return
        check_stopped()
        time.sleep(0.01)
