"""`sync/`: all that the caller sees, and then what has changed of it, for copies that work offline (`api.md`).

The trail is the change log (`audit/sql/changes.sql`). It only tells *which* rows to look at again: each is answered as
it is at that moment, so that a row may be told twice, or sooner than its entry, and a copy that has read to the end is the
server's view.
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

BATCH = 1_000  # entries of the log that are read together

_END = "SELECT xid::text, id FROM audit.end_of_changes()"
_START = Position("0", 0)  # of a log without entries
_HOLDS = "SELECT audit.history_holds(%s)"
_PROOF = "(SELECT audit.history_proof())"  # in parentheses it is asked once for a statement, not for each row
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
    """Entries of the log, one after another. The last line, of no table, tells where they end and whether there are more."""

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
        """The keys of rows of this table; with `columns`, of those in which one of them changed."""
        return {
            entry.key
            for entry in self.entries
            if entry.table == table and (columns is None or not columns.isdisjoint(entry.columns))
        }

    def gone(self, table: str) -> dict[int, str]:
        """`{key: delete|revoke}` of the rows that were taken away; some may be back."""
        return {
            entry.key: entry.operation
            for entry in self.entries
            if entry.table == table and entry.operation in ("delete", "revoke")
        }


class SyncViewSet(ViewSet):
    """Offline copies: all that you see, and from then on what has changed since."""

    resource = "offline_copy"
    proof: str  # of the newest history that this answer holds something of
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
        return Response(JSONText(f'{{"changes":[{",".join(one.text for one in changes)}],{members}}}'))

    def _scopes(self) -> dict[Source, Scope]:
        """What the caller may list."""
        scopes = {source: policy.rule(self.request.user, source.resource, "list").scope for source in self.sources}
        return {source: scope for source, scope in scopes.items() if scope is not Scope.NONE}

    def _types(self, request: Request) -> tuple[str, ...]:
        known = [source.resource for source in self.sources]
        asked = request.query_params.get("types", ",".join(known)).split(",")
        if not set(asked) <= set(known):
            raise BadQuery({"types": [f"Name one or more of {', '.join(known)}, separated by commas."]})
        types = tuple(source.resource for source in self._scopes() if source.resource in asked)
        if not types:
            raise Refused(policy.rule(request.user, asked[0], "list"))
        return types

    def _view(self) -> str:
        """Who looks, and how: another account, role or representation has another view, which no cursor continues."""
        user, is_masked = self.request.user, not policy.sees_personal_data(self.request.user)
        looks = [
            (source.resource, scope, source.serializer_class.row("", masked=is_masked).template)
            for source, scope in self._scopes().items()
        ]
        told = orjson.dumps([user.pk, policy.role_of(user), looks])
        return hashlib.sha256(told).hexdigest()[:32]

    def _page(self, cursor: SyncCursor, size: int, *, is_first: bool) -> tuple[list[SyncChange], SyncCursor, bool]:
        """The changes, the next cursor, and whether to ask again at once."""
        batch = None if cursor.is_snapshot else self._batch(cursor)
        walked, key = cursor.walked or (cursor.types[0], 0)
        left = cursor.types[cursor.types.index(walked) :]
        found: list[SyncChange] = []
        for source in (source for source in self._scopes() if source.resource in left):
            after = key if source.resource == walked else 0
            found += self._changes(source, batch, after, size + 1 - len(found))
            if len(found) > size:
                last = found[size - 1]
                until = batch.end if batch else None
                return found[:size], cursor._replace(until=until, walked=(last.type, last.key)), True
        if batch is None:
            return found, SyncCursor(cursor.types, cursor.since, cursor.proof), not is_first
        return found, SyncCursor(cursor.types, batch.end, cursor.proof), batch.is_full or cursor.until is not None

    def _batch(self, cursor: SyncCursor) -> Batch:
        own = policy.rule(self.request.user, self.resource, "retrieve").scope
        scopes = {own, *self._scopes().values()}
        return Batch.read(cursor, Scope.ALL if scopes == {Scope.ALL} else Scope.OWN)

    def _changes(self, source: Source, batch: Batch | None, after: int, most: int) -> list[SyncChange]:
        """The first so many changes of a type beyond this key: of all rows, or of those that the batch is about."""
        rows: Any = source.queryset
        rows = rows.visible_to(self.request.user, action="list").filter(pk__gt=after).order_by("pk")
        if batch is None:
            return list(self._upserts(source, rows[:most]))
        table = rows.model._meta.db_table
        found = list(self._upserts(source, self._touched(source, rows, batch, most)))
        there = {change.key for change in found}
        for key, operation in batch.gone(table).items():
            if key > after and key not in there:
                text = f'{{"type":"{source.resource}","id":{key},"op":"{operation}","version":null,"etag":null,"data":null}}'
                found.append(SyncChange(source.resource, key, text))
        return sorted(found)[:most]

    def _touched(self, source: Source, rows: Any, batch: Batch, most: int) -> Any:
        """The rows that the batch is about, and those that show or follow something of one: an index scan for each reason."""
        found = [rows.filter(pk__in=batch.about(rows.model._meta.db_table))]
        follows = rows.owners.get(policy.role_of(self.request.user)) if self._scopes()[source] is Scope.OWN else None
        for one in dependencies(source.serializer_class, *([follows] if follows else [])):
            if keys := batch.about(one.table, one.columns):
                found.append(rows.filter(**{f"{one.lookup}__in": keys}))
        first, *others = (branch.values("pk")[:most] for branch in found)
        return rows.filter(pk__in=first.union(*others) if others else first)[:most]

    def _upserts(self, source: Source, rows: Any) -> Iterator[SyncChange]:
        is_masked = not policy.sees_personal_data(self.request.user)
        row = source.serializer_class.row(self.request.build_absolute_uri(API_ROOT), masked=is_masked)
        proof = RawSQL(_PROOF, ())  # of the same statement, so that it covers these rows
        for key, version, data, newest in rows.values_list("pk", "version", row, proof):
            self.proof = newest
            etag = orjson.dumps(Representation(JSONText(data), version).etag).decode()
            start = f'{{"type":"{source.resource}","id":{key},"op":"upsert","version":{version},"etag":{etag}'
            yield SyncChange(source.resource, key, f'{start},"data":{data}}}')


def _row(sql: str, *values: Any) -> Any:
    with connection.cursor() as database:
        database.execute(sql, values)
        return database.fetchone()
