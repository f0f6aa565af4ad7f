"""The trail: what happened to each row, when, by whom, through what and why. Written by triggers, and by nothing else."""

import json
from decimal import Decimal
from typing import Any, Self

from django.db import models
from django.db.models.expressions import RawSQL

from access.querysets import PolicyQuerySet

CHANNELS = ("api", "admin", "command", "worker", "sql")

# What a partner may read of an entry: no reason, no request and no name that their representation doesn't show.
PARTNER_FIELDS = ("id", "at", "table_name", "row_key", "operation", "actor_id", "role", "channel", "old", "new")
# Whether the row was the partner's when it was written: for row security, and for the API in front of it.
WAS_MINE = "audit.was_mine(table_name, row_key, operation, id, old, new)"


class _Exact(json.JSONDecoder):
    """Money stays what it was: a float would lose its last places."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"parse_float": Decimal} | options)


class EntryQuerySet(PolicyQuerySet["Entry"]):
    resource = "trail"

    def about(self, row: models.Model) -> Self:
        return self.filter(table_name=row._meta.db_table, row_key=str(row.pk))

    def told_to_partner(self) -> Self:
        return self.filter(RawSQL(WAS_MINE, (), output_field=models.BooleanField()))


class Entry(models.Model):
    """One write to one row. `old` and `new` hold the whole row where it was deleted or made, else what changed.

    `channel` is api (any page or request but the admin site's), admin, command, worker or sql. `role` is PostgreSQL's.
    Row security shows all of it to whom the policy lets, and to others what happened to what they see (`audit.apps`).
    """

    id = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    transaction_id = models.TextField()  # xid8
    table_name = models.TextField()
    row_key = models.TextField()
    operation = models.TextField()  # insert, update or delete
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.TextField()
    role = models.TextField()
    channel = models.TextField()
    request_id = models.TextField()  # made by the server
    caller_request_id = models.TextField()  # the X-Request-ID that the caller sent, if any
    reason = models.TextField()
    old = models.JSONField(null=True, decoder=_Exact)
    new = models.JSONField(null=True, decoder=_Exact)

    objects = EntryQuerySet.as_manager()

    # No values and no reasons: people typed them. Names of columns tell what a change was about.
    report_fields = ("id", "at", "table_name", "row_key", "operation", "actor_id", "actor_name", "role", "channel")
    report_columns = {"columns": "ARRAY(SELECT jsonb_object_keys(coalesce(new, old)))"}

    class Meta:
        managed = False
        db_table = '"audit"."entry"'
        ordering = ["-id"]
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return f"{self.operation} {self.table_name} {self.row_key}"
