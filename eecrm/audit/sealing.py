"""Sealing the trail, in a worker. How a seal is made is said where it is made: `migrations/0002_seals.py`."""

import logging

from django.db import connection

from access.database import acting_as_login_role

log = logging.getLogger("eecrm.audit")

EVERY = 10  # seconds
MOST = 50  # seals at once, of 1,000 entries at most: well below the timeout of a statement


def seal() -> bool:
    """Seal the entries of transactions that have ended. Returns whether there may be more to seal at once.

    Each seal is logged: whoever keeps the log elsewhere can prove later what the trail was (`verify_audit --expect`).
    """
    with acting_as_login_role(), connection.cursor() as cursor:
        cursor.execute("SELECT id, last_id, entries, encode(hash, 'hex') FROM audit.seal_closed(%s)", [MOST])
        made = cursor.fetchall()
    for number, last_id, entries, digest in made:  # only now are they committed
        log.info("trail_sealed", extra={"seal": number, "last_id": last_id, "entries": entries, "hash": digest})
    return len(made) == MOST
