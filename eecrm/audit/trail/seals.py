"""Background jobs that seal the trail and warn of late seals. `sql/seal_closed.sql` explains how a seal is made.

A transaction that has written and isn't committed, in any database of the cluster, delays all seals and `sync/`.
The application may not end such a transaction, so it only reports the delay.
The reports are in the log, in the readiness check and in `verify_audit --max-unsealed-age`.
"""

import logging
from typing import NamedTuple

from django.db import connection

from access.database import acting_as_login_role
from api.health import Finding

log = logging.getLogger("eecrm.audit")

SEAL_INTERVAL_SECONDS = 10
# An entry without a seal causes a warning after this number of seconds. Usually its seal comes within 20 seconds.
MAX_UNSEALED_SECONDS = 60
# Maximum number of seals that one statement makes. A seal covers at most 1,000 entries.
# With this maximum, the statement stays far below the statement timeout.
MAX_SEALS_PER_TURN = 50


def seal_entries() -> bool:
    """Seals the entries of transactions that have ended. Returns True if more entries may be ready to seal.

    Each seal is logged. A log that is kept elsewhere can later prove that the trail is unchanged
    (`verify_audit --expect`).
    """
    with acting_as_login_role(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, last_id, entries, encode(hash, 'hex') FROM audit.seal_closed(%s)", [MAX_SEALS_PER_TURN]
        )
        made = cursor.fetchall()
    for number, last_id, entries, digest in made:  # logged only now, after the commit of the seals
        log.info("trail_sealed", extra={"seal": number, "last_id": last_id, "entries": entries, "hash": digest})
    return len(made) == MAX_SEALS_PER_TURN


# Every PostgreSQL role may see the processes that are writing, with the role and the database of each process.
# PostgreSQL shows the start of a transaction only to its own role and to pg_read_all_stats. Other roles get NULL.
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
    """The age of the oldest entry without a seal, and the oldest transaction that delays the seal, if there is one."""

    seconds: float
    pid: int | None = None
    prepared: str | None = None  # name of a prepared transaction (two-phase commit), which has no process
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
        row = cursor.fetchone()
    return Unsealed(*row) if row else None


def warn_of_unsealed() -> None:
    """Logs a warning if the oldest entry without a seal is older than MAX_UNSEALED_SECONDS."""
    oldest = oldest_unsealed()
    if oldest and oldest.seconds > MAX_UNSEALED_SECONDS:
        log.warning("trail_unsealed", extra=oldest._asdict())


def late() -> Finding | None:
    """Returns a warning for the readiness check if a seal is late.

    The check is public, so the warning doesn't say which transaction delays the seal.
    """
    oldest = oldest_unsealed()
    if oldest is None or oldest.seconds <= MAX_UNSEALED_SECONDS:
        return None
    return Finding("", f"The oldest entry without a seal is {oldest.seconds:.0f} s old: see the worker's log.")
