"""`sync/`: all rows that the caller sees, and later the changes since, for copies that work offline (`api.md`).

The trail is the change log (`sql/changes.sql`). It only says *which* rows to read again.
Each row is sent in its current state, so a row may be sent twice, or earlier than its entry.
A copy that has read to the end equals the caller's view on the server.
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

BATCH = 1_000  # entries of the log that are read in one query

_END = "SELECT xid::text, id FROM audit.end_of_changes()"
_START = Position("0", 0)  # the end of a log without entries
_HOLDS = "SELECT audit.history_holds(%s)"
_PROOF = "(SELECT audit.history_proof())"  # the subquery makes it run once for the statement, not once for each row
_CHANGES = """
    SELECT found.xid::text, id, table_name, key, operation, columns
      FROM audit.{function}(%s::xid8, %s, %s::xid8, %s, %s) AS found ORDER BY table_name = '', found.xid, id
"""

Source = type[ResourceViewSet]


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
    """A batch of log entries. Its last row, of no table, has the end position and says if more entries follow."""

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
        """Keys of the table's rows in this batch. With `columns`, only of the rows in which one of them changed."""
        return {
            entry.key
            for entry in self.entries
            if entry.table == table and (columns is None or not columns.isdisjoint(entry.columns))
        }

    def gone(self, table: str) -> dict[int, str]:
        """`{key: delete|revoke}` for the rows that the caller lost. Some of them may be visible again."""
        return {
            entry.key: entry.operation
            for entry in self.entries
            if entry.table == table and entry.operation in ("delete", "revoke")
        }


class SyncViewSet(ViewSet):
    """Offline copies: all that you see, and from then on what has changed since."""

    resource = "offline_copy"
    proof: str  # covers the newest history of which this response has something
    sources: ClassVar[tuple[Source, ...]] = ()  # the viewsets of the types, parents first
    schema = SyncSchema()

    def retrieve(self, request: Request) -> Response:
        """Without a cursor, all that you see; with the `next` of an earlier answer, what has changed since."""
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

    def _scopes(self) -> dict[Source, Scope]:
        """The types that the caller may list, with the scope of each."""
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
        """Digest of the caller's account, role and representations. No cursor continues another view than its own."""
        user, is_masked = self.request.user, not policy.sees_personal_data(self.request.user)
        representations = [
            (source.resource, scope, source.serializer_class.row("", masked=is_masked).template)
            for source, scope in self._scopes().items()
        ]
        content = orjson.dumps([user.pk, policy.role_of(user), representations])
        return hashlib.sha256(content).hexdigest()[:32]

    def _page(self, cursor: SyncCursor, size: int, *, is_first: bool) -> tuple[list[SyncChange], SyncCursor, bool]:
        """The changes, the next cursor, and True if the client should ask again at once."""
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

    def _changes(self, source: Source, batch: Batch | None, after: int, limit: int) -> list[SyncChange]:
        """The first `limit` changes of a type with keys above `after`, of the batch's rows or, without one, of all."""
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

    def _touched(self, source: Source, rows: Any, batch: Batch, limit: int) -> Any:
        """Rows in the batch, and rows whose representation or visibility depends on a row in the batch.

        Each reason is a branch of a union, so that PostgreSQL uses an index scan for each.
        """
        branches = [rows.filter(pk__in=batch.about(rows.model._meta.db_table))]
        owner = rows.owners.get(policy.role_of(self.request.user)) if self._scopes()[source] is Scope.OWN else None
        for dependency in dependencies(source.serializer_class, *([owner] if owner else [])):
            if keys := batch.about(dependency.table, dependency.columns):
                branches.append(rows.filter(**{f"{dependency.lookup}__in": keys}))
        first, *others = (branch.values("pk")[:limit] for branch in branches)
        return rows.filter(pk__in=first.union(*others) if others else first)[:limit]

    def _upserts(self, source: Source, rows: Any) -> Iterator[SyncChange]:
        is_masked = not policy.sees_personal_data(self.request.user)
        row = source.serializer_class.row(self.request.build_absolute_uri(API_ROOT), masked=is_masked)
        proof = RawSQL(_PROOF, ())  # read in the same statement, so that it covers these rows
        for key, version, data, newest in rows.values_list("pk", "version", row, proof):
            self.proof = newest
            etag = orjson.dumps(Representation(JSONText(data), version).etag).decode()
            start = f'{{"type":"{source.resource}","id":{key},"op":"upsert","version":{version},"etag":{etag}'
            yield SyncChange(source.resource, key, f'{start},"data":{data}}}')


def _row(sql: str, *values: Any) -> Any:
    with connection.cursor() as database:
        database.execute(sql, values)
        return database.fetchone()
