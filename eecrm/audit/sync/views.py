"""The endpoint `sync/` for offline copies: sends all rows that the caller may see, and later their changes.

docs/api.md describes the endpoint for partners. The audit trail is the change log (`sql/changes.sql`).
The log only says which rows have changed. The endpoint sends each row in its current state.
So a row may be sent twice, or may already contain a change that comes later in the log.
A copy that has read to the end has the same rows as the server shows to the caller.
"""

import hashlib
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import orjson
from django.db import connection
from django.db.models.expressions import RawSQL
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from access import policy
from access.permissions import Refused
from access.policy import Scope
from api.requests.problems import BadQuery
from api.requests.renderers import JSONText
from api.resources.conditional import Representation
from api.resources.filters import refuse_unknown
from api.resources.pagination import MAX_PAGE_SIZE, page_size
from api.resources.serializers import API_ROOT
from api.resources.views import ResourceViewSet
from audit.sync.cursor import CursorExpired, Position, SyncCursor
from audit.sync.dependencies import dependencies
from audit.sync.schema import SyncSchema

BATCH = 1_000  # maximum number of entries of the change log that one query reads

_END = "SELECT xid::text, id FROM audit.end_of_changes()"
_START = Position("0", 0)  # the position if the change log has no entries
_HOLDS = "SELECT audit.history_holds(%s)"
# PostgreSQL calls a function in a subquery once for the statement, and not once for each row.
_PROOF = "(SELECT audit.history_proof())"
_CHANGES = """
    SELECT found.xid::text, id, table_name, key, operation, columns
      FROM audit.{function}(%s::xid8, %s, %s::xid8, %s, %s) AS found ORDER BY table_name = '', found.xid, id
"""

Viewset = type[ResourceViewSet]


class TrailRow(NamedTuple):
    xid: str
    id: int
    table: str
    key: int
    operation: str
    columns: list[str]


class SyncChange(NamedTuple):
    type: str
    key: int
    text: str


class Batch:
    """Entries of the change log that one query has returned. `is_full` is true if more entries may follow.

    The query adds a last row, which isn't an entry and has an empty table name. This row only tells the position of
    the last entry that the query has examined. The next query begins there.
    """

    def __init__(self, entries: list[TrailRow], since: Position) -> None:
        *self.entries, last = entries or [TrailRow(*since, "", 0, "end", [])]
        self.end, self.is_full = Position(last.xid, last.id), last.operation == "more"

    @classmethod
    def read(cls, cursor: SyncCursor, scope: Scope) -> "Batch":
        function = "changes" if scope is Scope.ALL else "changes_of_mine"
        with connection.cursor() as database:
            until = cursor.until or (None, None)
            database.execute(_CHANGES.format(function=function), [*cursor.since, *until, BATCH])
            return cls([TrailRow(*row) for row in database.fetchall()], cursor.since)

    def about(self, table: str, columns: frozenset[str] | None = None) -> set[int]:
        """Returns the primary keys of the table's rows that have entries in this batch.

        With `columns`, returns only the keys of rows in which one of these columns changed.
        """
        return {
            entry.key
            for entry in self.entries
            if entry.table == table and (columns is None or not columns.isdisjoint(entry.columns))
        }

    def gone(self, table: str) -> dict[int, str]:
        """Finds rows that the caller could no longer see after an entry. Maps each key to "delete" or "revoke".

        Some of these rows may be visible to the caller again now.
        """
        return {
            entry.key: entry.operation
            for entry in self.entries
            if entry.table == table and entry.operation in ("delete", "revoke")
        }


class SyncViewSet(ViewSet):
    """Offline copies: all rows that you may see, and later their changes."""

    resource = "offline_copy"
    proof: str  # `proof` of the next cursor: digest of the history that the sent rows may show
    sources: ClassVar[tuple[Viewset, ...]] = ()  # viewsets of the resources to copy, parents first
    schema = SyncSchema()

    def retrieve(self, request: Request) -> Response:
        """Without a cursor, get all rows that you may see. With the `next` of an earlier answer, get later changes."""
        refuse_unknown(request, ("cursor", "types", "page_size"))
        size = page_size(request, default=MAX_PAGE_SIZE)
        text, view = request.query_params.get("cursor"), self._view()
        types = self._types(request)
        if text:
            cursor = SyncCursor.decode(text, view)
            if "types" in request.query_params and types != cursor.types:
                raise BadQuery({"types": [f"This cursor is one for {','.join(cursor.types)}."]})
            if _row(_HOLDS, cursor.proof) != (True,):
                raise CursorExpired("The database was restored since")
        else:
            end = _row(_END)
            cursor = SyncCursor(types, Position(*end) if end else _START, walked=(types[0], 0))
        self.proof = cursor.proof
        changes, following, has_more = self._page(cursor, size, is_first=not text)
        if self.proof == cursor.proof and (changes or following.since != cursor.since or not text):
            (self.proof,) = _row(f"SELECT {_PROOF}")
        following = following._replace(proof=self.proof)
        members = f'"next":{orjson.dumps(following.encode(view)).decode()},"has_more":{str(has_more).lower()}'
        return Response(JSONText(f'{{"changes":[{",".join(change.text for change in changes)}],{members}}}'))

    def _scopes(self) -> dict[Viewset, Scope]:
        """Maps the viewset of each resource that the caller may list to the scope: all rows, or own rows only."""
        scopes = {source: policy.rule(self.request.user, source.resource, "list").scope for source in self.sources}
        return {source: scope for source, scope in scopes.items() if scope is not Scope.NONE}

    def _types(self, request: Request) -> tuple[str, ...]:
        known = [source.resource for source in self.sources]
        requested = request.query_params.get("types", ",".join(known)).split(",")
        if not set(requested) <= set(known):
            raise BadQuery({"types": [f"Name one or more of {', '.join(known)}, separated by commas."]})
        types = tuple(source.resource for source in self._scopes() if source.resource in requested)
        if not types:
            raise Refused(policy.rule(request.user, requested[0], "list"))
        return types

    def _view(self) -> str:
        """Returns a digest of the account, and of the rows and fields it may see. A cursor is valid for one digest."""
        user, is_masked = self.request.user, not policy.sees_personal_data(self.request.user)
        representations = [
            (source.resource, scope, source.serializer_class.row("", masked=is_masked).template)
            for source, scope in self._scopes().items()
        ]
        content = orjson.dumps([user.pk, policy.role_of(user), representations])
        return hashlib.sha256(content).hexdigest()[:32]

    def _page(self, cursor: SyncCursor, size: int, *, is_first: bool) -> tuple[list[SyncChange], SyncCursor, bool]:
        """Returns the changes, the next cursor, and True if the API client should send its next request at once."""
        batch = None if cursor.is_snapshot else self._batch(cursor)
        walked, key = cursor.walked or (cursor.types[0], 0)
        left = cursor.types[cursor.types.index(walked) :]
        changes: list[SyncChange] = []
        for source in (source for source in self._scopes() if source.resource in left):
            after = key if source.resource == walked else 0
            changes += self._changes(source, batch, after, size + 1 - len(changes))
            if len(changes) > size:
                last = changes[size - 1]
                until = batch.end if batch else None
                return changes[:size], cursor._replace(until=until, walked=(last.type, last.key)), True
        if batch is None:
            return changes, SyncCursor(cursor.types, cursor.since, cursor.proof), not is_first
        return changes, SyncCursor(cursor.types, batch.end, cursor.proof), batch.is_full or cursor.until is not None

    def _batch(self, cursor: SyncCursor) -> Batch:
        own = policy.rule(self.request.user, self.resource, "retrieve").scope
        scopes = {own, *self._scopes().values()}
        return Batch.read(cursor, Scope.ALL if scopes == {Scope.ALL} else Scope.OWN)

    def _changes(self, source: Viewset, batch: Batch | None, after: int, limit: int) -> list[SyncChange]:
        """Returns the first `limit` changes of one resource, for rows with keys above `after`.

        With `batch` (entries of the change log), returns the changes of rows in the batch. Without a batch, returns
        each visible row as an upsert.
        """
        rows: Any = source.queryset
        rows = rows.visible_to(self.request.user, action="list").filter(pk__gt=after).order_by("pk")
        if batch is None:
            return list(self._upserts(source, rows[:limit]))
        table = rows.model._meta.db_table
        changes = list(self._upserts(source, self._touched(source, rows, batch, limit)))
        visible_keys = {change.key for change in changes}
        for key, operation in batch.gone(table).items():
            if key > after and key not in visible_keys:
                start = f'{{"type":"{source.resource}","id":{key},"op":"{operation}"'
                changes.append(SyncChange(source.resource, key, f'{start},"version":null,"etag":null,"data":null}}'))
        return sorted(changes)[:limit]

    def _touched(self, source: Viewset, rows: Any, batch: Batch, limit: int) -> Any:
        """Returns the rows in the batch, and rows whose representation or visibility depends on a row in the batch.

        A UNION combines one query for each dependency, because PostgreSQL then uses an index for each query.
        """
        branches = [rows.filter(pk__in=batch.about(rows.model._meta.db_table))]
        owner = rows.owners.get(policy.role_of(self.request.user)) if self._scopes()[source] is Scope.OWN else None
        for dependency in dependencies(source.serializer_class, *([owner] if owner else [])):
            if keys := batch.about(dependency.table, dependency.columns):
                branches.append(rows.filter(**{f"{dependency.lookup}__in": keys}))
        first, *others = (branch.values("pk")[:limit] for branch in branches)
        return rows.filter(pk__in=first.union(*others) if others else first)[:limit]

    def _upserts(self, source: Viewset, rows: Any) -> Iterator[SyncChange]:
        is_masked = not policy.sees_personal_data(self.request.user)
        row = source.serializer_class.row(self.request.build_absolute_uri(API_ROOT), masked=is_masked)
        proof = RawSQL(_PROOF, ())  # read by the same statement as the rows, so that the proof covers these rows
        for key, version, data, newest in rows.values_list("pk", "version", row, proof):
            self.proof = newest
            etag = orjson.dumps(Representation(JSONText(data), version).etag).decode()
            start = f'{{"type":"{source.resource}","id":{key},"op":"upsert","version":{version},"etag":{etag}'
            yield SyncChange(source.resource, key, f'{start},"data":{data}}}')


def _row(sql: str, *values: Any) -> Any:
    with connection.cursor() as database:
        database.execute(sql, values)
        return database.fetchone()
