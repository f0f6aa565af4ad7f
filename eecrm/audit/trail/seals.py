"""Background jobs that seal the trail and warn of late seals. `sql/seal_closed.sql` explains how a seal is made.

A transaction that writes and stays open, in any database of the cluster, delays every seal, and `sync/` as well.
The application can't end it, so it only reports the delay.
The reports are in the log, in the readiness check and in `verify_audit --max-unsealed-age`.
"""

import logging
from typing import NamedTuple

from django.db import connection

from access.database import acting_as_login_role
from api.health import Finding

log = logging.getLogger("eecrm.audit")

SEAL_INTERVAL_SECONDS = 10
# An entry that waits longer for its seal causes a warning. Two turns of the worker are usual.
MAX_UNSEALED_SECONDS = 60
# A seal has at most 1,000 entries, so the statement stays well below its timeout.
MAX_SEALS_PER_TURN = 50


def seal_entries() -> bool:
    """Seal the entries of transactions that have ended. Returns True if there may be more entries to seal at once.

    Each seal is logged. A log kept elsewhere proves later that the trail is unchanged (`verify_audit --expect`).
    """
    with acting_as_login_role(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, last_id, entries, encode(hash, 'hex') FROM audit.seal_closed(%s)", [MAX_SEALS_PER_TURN]
        )
        made = cursor.fetchall()
    for number, last_id, entries, digest in made:  # logged here, because only now are the seals committed
        log.info("trail_sealed", extra={"seal": number, "last_id": last_id, "entries": entries, "hash": digest})
    return len(made) == MAX_SEALS_PER_TURN


# Every role may read which processes write, and their role and database. The start of a transaction is visible only to
# its own role and to members of pg_read_all_stats; other roles get NULL.
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
    """The age of the oldest entry without a seal, and the oldest transaction that delays its seal, if there is one."""

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
        row = cursor.fetchone()
    return Unsealed(*row) if row else None


def warn_of_unsealed() -> None:
    """Log a warning while the oldest entry waits too long for its seal."""
    oldest = oldest_unsealed()
    if oldest and oldest.seconds > MAX_UNSEALED_SECONDS:
        log.warning("trail_unsealed", extra=oldest._asdict())


def late() -> Finding | None:
    """Readiness warning for a late seal. It doesn't name the transaction, because readiness is public."""
    oldest = oldest_unsealed()
    if oldest is None or oldest.seconds <= MAX_UNSEALED_SECONDS:
        return None
    return Finding("", f"The oldest entry without a seal is {oldest.seconds:.0f} s old: see the worker's log.")
