"""Sealing the trail, in a worker. How a seal is made is said where it is made: `migrations/0002_seals.py`.

A transaction that writes and stays open, in any database of the cluster, delays every seal (and `sync/` as well). It can't
be ended from here, so that it is told: in the log, in readiness, by `verify_audit --max-unsealed-age`.
"""

import logging
from typing import NamedTuple

from django.db import connection

from access.database import acting_as_login_role
from api.health import Finding

log = logging.getLogger("eecrm.audit")

SEAL_INTERVAL_SECONDS = 10  # seconds
MAX_UNSEALED_SECONDS = (
    60  # seconds after which an entry without a seal is worth a warning; two turns of the worker are usual
)
MAX_SEALS_PER_TURN = 50  # seals at once, of 1,000 entries at most: well below the timeout of a statement


def seal_entries() -> bool:
    """Seal the entries of transactions that have ended. Returns whether there may be more to seal at once.

    Each seal is logged: whoever keeps the log elsewhere can prove later what the trail was (`verify_audit --expect`).
    """
    with acting_as_login_role(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, last_id, entries, encode(hash, 'hex') FROM audit.seal_closed(%s)", [MAX_SEALS_PER_TURN]
        )
        made = cursor.fetchall()
    for number, last_id, entries, digest in made:  # only now are they committed
        log.info("trail_sealed", extra={"seal": number, "last_id": last_id, "entries": entries, "hash": digest})
    return len(made) == MAX_SEALS_PER_TURN


# PostgreSQL shows to every role which processes write, for which role and in which database. It shows the start of a
# transaction to its own role only, and to members of pg_read_all_stats.
_OLDEST = """
    SELECT extract(epoch FROM clock_timestamp() - entry_at)::float, process, gid, role, database, since::text
      FROM audit.unsealed() LEFT JOIN LATERAL (
          SELECT pid AS process, NULL AS gid, usename AS role, datname AS database, xact_start AS since,
                 age(backend_xid) AS age
            FROM pg_stat_activity WHERE backend_xid IS NOT NULL
           UNION ALL
          SELECT NULL, gid, owner, database, prepared, age(transaction) FROM pg_prepared_xacts
           ORDER BY age DESC LIMIT 1
      ) AS writing ON age >= age(waits_for)
"""


class Unsealed(NamedTuple):
    """The oldest entry without a seal, and the oldest transaction that keeps it from being sealed, where there is one."""

    seconds: float
    pid: int | None = None
    prepared: str | None = None  # the name of a prepared transaction, which has no process
    role: str | None = None
    database: str | None = None
    since: str | None = None

    def __str__(self) -> str:
        age = f"The oldest entry without a seal is {self.seconds:.0f} s old"
        if self.role is None:
            return f"{age}, and no transaction holds it up: look whether a worker runs."
        holder = f"process {self.pid}" if self.pid else f"the prepared transaction {self.prepared!r}"
        since = f" since {self.since}" if self.since else ""
        return f"{age}: {holder} of the role {self.role} in the database {self.database} holds it up{since}."


def oldest_unsealed() -> Unsealed | None:
    with acting_as_login_role(), connection.cursor() as cursor:
        cursor.execute(_OLDEST)
        found = cursor.fetchone()
    return Unsealed(*found) if found else None


def warn_of_unsealed() -> None:
    """Log a warning while entries wait too long for their seal."""
    found = oldest_unsealed()
    if found and found.seconds > MAX_UNSEALED_SECONDS:
        log.warning("trail_unsealed", extra=found._asdict())


def late() -> Finding | None:
    """Readiness warns, and tells no more: anybody may ask for it."""
    found = oldest_unsealed()
    if found is None or found.seconds <= MAX_UNSEALED_SECONDS:
        return None
    return Finding("", f"The oldest entry without a seal is {found.seconds:.0f} s old: see the worker's log.")
