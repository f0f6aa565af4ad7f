"""Measures the time to seal and to verify a long audit trail, and checks that tampering is found. See README.md."""

import argparse
import io
import os
import sys
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import stage
from processes import Failed, say, status_of

_FILL = """
INSERT INTO audit.entry (
           table_name, row_key, operation, actor_id, actor_name, role, channel, request_id, reason, old, new)
SELECT 'clients_client', (n %% 20000)::text, 'update', n %% 40, 'sales' || n %% 40, 'eecrm_sales', 'api',
       md5(n::text), '',
       jsonb_build_object('company_name', 'Company ' || n, 'version', n, 'updated_at', now()),
       jsonb_build_object('company_name', 'Société ' || n, 'version', n + 1, 'updated_at', now())
  FROM generate_series(1, %s) AS n
"""
_COLUMNS = "id, table_name, row_key, operation, actor_name, role, channel, request_id, reason"
# verify_audit can't see an open transaction's changes, so each kind of tampering is committed, and undone later.
_KEEP = (
    "CREATE TABLE audit.kept AS SELECT * FROM audit.{table} WHERE id IN ({ids});"
    " DELETE FROM audit.{table} WHERE id IN ({ids});"
)
_PUT_BACK = "INSERT INTO audit.{table} {overriding} SELECT * FROM audit.kept; DROP TABLE audit.kept;"
_SWAP = (
    _KEEP.format(table="entry", ids="{id}, {id} + 1")
    + "UPDATE audit.kept SET id = {id} + {id} + 1 - id;"
    + _PUT_BACK.format(table="entry", overriding="OVERRIDING SYSTEM VALUE")
)
TAMPERING = {
    "a changed value": (
        "UPDATE audit.entry SET actor_name = actor_name || 'x' WHERE id = {id}",
        "UPDATE audit.entry SET actor_name = left(actor_name, -1) WHERE id = {id}",
    ),
    "a removed row": (
        _KEEP.format(table="entry", ids="{id}"),
        _PUT_BACK.format(table="entry", overriding="OVERRIDING SYSTEM VALUE"),
    ),
    "a row put into a gap": (
        f"INSERT INTO audit.entry ({_COLUMNS}) OVERRIDING SYSTEM VALUE"
        " VALUES ({gap}, 'clients_client', '1', 'delete', '', '', 'sql', '', '')",
        "DELETE FROM audit.entry WHERE id = {gap}",
    ),
    "two rows swapped": (_SWAP, _SWAP),
    "a removed seal": (_KEEP.format(table="seal", ids="2"), _PUT_BACK.format(table="seal", overriding="")),
}


def timed(action: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    return action(), time.perf_counter() - started


def seal_all(owner: Any, number: int) -> None:
    from audit.trail import seals

    while True:
        seals.seal_entries()
        with owner.cursor() as cursor:
            cursor.execute("SELECT sum(entries) FROM audit.seal")
            if cursor.fetchone()[0] == number:
                return


def verify(*, quietly: bool = True) -> str:
    """Returns the first problem that `manage.py verify_audit` reports, or "" if there is none."""
    from django.core.management import CommandError, call_command

    output = io.StringIO()
    try:
        call_command("verify_audit", f"--verbosity={0 if quietly else 1}", stdout=output)
    except CommandError:
        return output.getvalue().splitlines()[0]
    return ""


def measure(owner: Any, number: int) -> None:
    row, gap = number // 2, number // 2 + 5
    with owner.cursor() as cursor:
        cursor.execute("TRUNCATE audit.entry, audit.seal RESTART IDENTITY")
        cursor.execute(_FILL, [number])
        # Deleting this entry leaves a gap in the ids, as a rollback does. Later, a forged entry is put into this gap.
        cursor.execute(f"DELETE FROM audit.entry WHERE id = {gap}; ANALYZE audit.entry")
    _, seconds = timed(lambda: seal_all(owner, number - 1))
    say(f"sealing {number:,} entries: {seconds:.1f} s")
    problem, seconds = timed(lambda: verify(quietly=False))
    say(f"verifying them: {seconds:.1f} s{problem}")
    for kind, (change, undo) in TAMPERING.items():
        with owner.cursor() as cursor:
            cursor.execute(change.format(id=row, gap=gap))
            problem, seconds = timed(verify)
            cursor.execute(undo.format(id=row, gap=gap))
        if not problem:
            raise Failed(f"{kind} was not found.")
        say(f"{kind}, found in {seconds:.1f} s: {problem}")
    if problem := verify():
        raise Failed(f"Undone, and yet: {problem}")


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench sealing", description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    options = parser.parse_args(arguments)
    with stage.prepared():
        import django

        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        django.setup()
        import logging

        # Log lines below WARNING are turned off, because each new seal would write one.
        logging.getLogger("eecrm.audit").setLevel(logging.WARNING)
        with closing(stage.connect("PG_MIGRATOR", stage.DATABASE)) as owner:
            measure(owner, options.entries)
    return 0


if __name__ == "__main__":
    sys.exit(status_of(main, *sys.argv[1:]))
