"""The audit trail: one entry for each write to a row. Only PostgreSQL triggers write entries.

An entry says what changed, when, by which account, through which channel and for what reason.
"""

import json
from decimal import Decimal
from typing import Any, Self

from django.db import models
from django.db.models.expressions import RawSQL

from access.querysets import PolicyQuerySet

CHANNELS = ("api", "admin", "command", "worker", "sql")

# Columns of an entry that a partner may read. Only colleagues may read the reason, request ids and the actor's name.
PARTNER_FIELDS = ("id", "at", "table_name", "row_key", "operation", "actor_id", "role", "channel", "old", "new")
# SQL condition that is true if the row belonged to the calling partner when the entry was written.
WAS_MINE = "audit.was_mine(table_name, row_key, operation, id, old, new)"


class _Exact(json.JSONDecoder):
    """JSON decoder that reads decimal numbers as Decimal, because a float would lose the last digits of an amount."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"parse_float": Decimal} | options)


class EntryQuerySet(PolicyQuerySet["Entry"]):
    resource = "trail"

    def about(self, row: models.Model) -> Self:
        return self.filter(table_name=row._meta.db_table, row_key=str(row.pk))

    def told_to_partner(self) -> Self:
        """Returns the entries that were written while the row belonged to the calling partner."""
        return self.filter(RawSQL(WAS_MINE, (), output_field=models.BooleanField()))


class Entry(models.Model):
    """An entry of the audit trail: one write to one row of a recorded table.

    An insert has the whole row in `new`, a deletion has it in `old`. An update has the changed columns in both.
    Columns that the trigger ignores are left out.
    `channel` is api (any page or request outside the admin site), admin, command, worker or sql.
    `role` is the PostgreSQL role that wrote the row.
    Row security shows all entries to roles with the right to read the trail.
    Other roles see the entries about the clients, contracts and events that they may see (`audit.apps`).
    """

    id = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    transaction_id = models.TextField()  # id (xid8) of the PostgreSQL transaction that wrote the row
    table_name = models.TextField()
    row_key = models.TextField()
    operation = models.TextField()  # "insert", "update" or "delete"
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.TextField()
    role = models.TextField()
    channel = models.TextField()
    request_id = models.TextField()  # the server makes one for each HTTP request
    caller_request_id = models.TextField()  # the X-Request-ID that the caller sent, if any
    reason = models.TextField()
    old = models.JSONField(null=True, decoder=_Exact)
    new = models.JSONField(null=True, decoder=_Exact)

    objects = EntryQuerySet.as_manager()

    # Reports have no old values, new values and reasons, because users typed them. Reports list the changed columns.
    report_fields = ("id", "at", "table_name", "row_key", "operation", "actor_id", "actor_name", "role", "channel")
    report_columns = {"columns": "ARRAY(SELECT jsonb_object_keys(coalesce(new, old)))"}

    class Meta:
        managed = False
        db_table = '"audit"."entry"'
        ordering = ["-id"]
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return f"{self.operation} {self.table_name} {self.row_key}"
