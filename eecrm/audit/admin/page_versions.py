"""Versions of admin pages. A version records the database state that a page shows.

With the version, the server finds the trail entries that were written after the page was made.

A page notes its version before it reads its rows. The form sends the version back with the user's input.
The version has a PostgreSQL snapshot: an entry that the snapshot doesn't see was written after the page was made.
The newest entry id isn't enough, because an entry with a lower id may be committed later.
The version also has the time, for later entries of the transaction that made the page.
The version names the newest entry of the trail. If that entry is no longer in the database, the database was restored
to an earlier state. A key that the user chose on the page may then belong to another row, so the form counts as unknown.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple, Self

from django.core import signing
from django.db import connection
from django.db.models import BooleanField, Model, Q
from django.db.models.expressions import RawSQL
from django.http import HttpRequest

from audit.models import Entry, EntryQuerySet
from audit.trail.seen import was_visible

_NOW = """
    SELECT pg_current_snapshot()::text, coalesce(pg_current_xact_id_if_assigned()::text, '0'), clock_timestamp()::text,
           (SELECT concat_ws(' ', id, transaction_id, at) FROM audit.entry ORDER BY id DESC LIMIT 1),
           EXISTS (SELECT FROM audit.entry WHERE id = split_part(%(newest)s, ' ', 1)::bigint
                                             AND concat_ws(' ', id, transaction_id, at) = %(newest)s)
"""
# SQL condition for trail entries that were written after a page was made.
_SINCE = (
    f"(NOT {was_visible('%s::pg_snapshot', '%s::bigint')} AND (transaction_id <> %s::xid8 OR at > %s::timestamptz))"
)
PAGE_VERSION_FIELD = "page_version"  # the name of the hidden form field


class Since(NamedTuple):
    """The changes of a row since its admin page was made, including values that were changed and then changed back."""

    fields: frozenset[str]
    members: Mapping[str, frozenset[str]]  # maps each many-to-many field to the keys that were added or removed
    entries: EntryQuerySet  # trail entries of these changes, oldest first

    @classmethod
    def of(cls, version: "PageVersion", row: Model, names: Collection[str]) -> Self:
        """Returns later changes of the row's fields in `names`.

        The model's `waiting_values` lists fields whose new value waits for a confirmation. Such a field also counts as
        changed if a new value waits since then, or waits no longer. Sends one query, and one for each many-to-many field.
        """
        entries, fields_by_table = version.changes_of(type(row), [row.pk]), dict[str, str]()
        for name, relation in getattr(row, "waiting_values", {}).items():
            if name in names:
                waiting: Any = row._meta.get_field(relation)
                entries = entries | version.changes_below(waiting.related_model, waiting.field.column, row.pk)
                fields_by_table[waiting.related_model._meta.db_table] = name
        fields, written, members = set[str](), set[str](), {}
        for table, old, new in entries.values_list("table_name", "old", "new"):
            if table in fields_by_table:
                fields.add(fields_by_table[table])
            else:
                written |= {*(old or ()), *(new or ())}
        fields |= {field.name for field in row._meta.concrete_fields if field.column in written}
        many_to_many: list[Any] = [field for field in row._meta.many_to_many if field.name in names]
        for field in many_to_many:
            below = version.changes_below(field.remote_field.through, field.m2m_column_name(), row.pk)
            sides = below.values_list("old", "new")
            members[field.name] = frozenset(str((new or old or {})[field.m2m_reverse_name()]) for old, new in sides)
            entries = entries | below
        return cls(frozenset(fields), members, entries)


UNCHANGED = Since(frozenset(), {}, Entry.objects.none())


class PageVersion(NamedTuple):
    snapshot: str
    # Id of the transaction that made the page; "0" if it had written nothing.
    # The page shows the writes of this transaction, although the snapshot doesn't contain them.
    own: str
    at: str
    newest: str | None  # id, transaction and time of the newest trail entry; None if the trail was empty

    @classmethod
    def now(cls, earlier: Self | None = None) -> tuple[Self, bool]:
        """Returns the version of a page that is made now, and False if the history of the version `earlier` is lost.

        The history is lost if the newest trail entry in `earlier` is missing, because the database was restored from a
        backup.
        """
        newest = earlier and earlier.newest
        with connection.cursor() as cursor:
            cursor.execute(_NOW, {"newest": newest})
            *version, is_there = cursor.fetchone()
        return cls(*version), newest is None or is_there

    def entries_since(self) -> EntryQuerySet:
        """Returns the trail entries that were written after the page was made, oldest first."""
        newest = self.newest.partition(" ")[0] if self.newest else "0"
        values = [newest, self.snapshot, self.snapshot, self.own, self.at]
        return Entry.objects.filter(RawSQL(_SINCE, values, BooleanField())).order_by("id")

    def changes_of(self, model: type[Model], keys: Iterable[Any]) -> EntryQuerySet:
        """Returns the trail entries about these rows of `model` that were written after the page was made."""
        return self.entries_since().filter(table_name=model._meta.db_table, row_key__in=[str(key) for key in keys])

    def changes_below(self, model: type[Model], column: str, key: Any) -> EntryQuerySet:
        """Returns later trail entries about rows of `model` (also deleted ones) that refer to row `key` by `column`."""
        reference = {column: key}
        refers = Q(old__contains=reference) | Q(new__contains=reference)
        return self.entries_since().filter(refers, table_name=model._meta.db_table)


def signed(request: HttpRequest, version: PageVersion, **shown: Any) -> str:
    """Returns the signed value of the hidden form field. Only this user can send the value, to this URL path only."""
    return signing.dumps({"version": version, **shown}, salt=_salt(request), compress=True)


def sent_page(request: HttpRequest) -> dict[str, Any] | None:
    """Returns the sent content of the hidden form field. None if it is missing, or made for another page or user."""
    try:
        page: dict[str, Any] = signing.loads(request.POST.get(PAGE_VERSION_FIELD, ""), salt=_salt(request))
    except signing.BadSignature:
        return None
    return page | {"version": PageVersion(*page["version"])}


def _salt(request: HttpRequest) -> str:
    return f"audit.admin.page_versions:{request.user.pk}:{request.path}"
