"""The trail: what happened to each row, when, by whom, through what and why. Written by triggers, and by nothing else."""

import json
from decimal import Decimal
from typing import Any, Self

from django.db import models

from access.querysets import PolicyQuerySet


class _Exact(json.JSONDecoder):
    """Money stays what it was: a float would lose its last places."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"parse_float": Decimal} | options)


class AboutQuerySet(models.QuerySet[Any]):
    def about(self, row: models.Model) -> Self:
        return self.filter(table_name=row._meta.db_table, row_key=str(row.pk))


class EntryQuerySet(AboutQuerySet, PolicyQuerySet["Entry"]):  # type: ignore[override]  # stubs type as_manager anew
    resource = "trail"


class AbstractEntry(models.Model):
    """One write to one row. `old` and `new` hold the whole row where it was deleted or made, else what changed.

    `channel` is api (any page or request but the admin site's), admin, command, worker or sql. `role` is PostgreSQL's.
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
    request_id = models.TextField()
    reason = models.TextField()
    old = models.JSONField(null=True, decoder=_Exact)
    new = models.JSONField(null=True, decoder=_Exact)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.operation} {self.table_name} {self.row_key}"


class Entry(AbstractEntry):
    """The trail itself, for whom the policy lets read all of it."""

    objects = EntryQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = '"audit"."entry"'
        ordering = ["-id"]
        verbose_name_plural = "entries"


class VisibleEntry(AbstractEntry):
    """The same through a view of PostgreSQL's: what happened to the clients, contracts and events that the entered role sees."""

    objects = AboutQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = '"audit"."visible_entry"'
        default_permissions = ()
        ordering = ["-id"]
