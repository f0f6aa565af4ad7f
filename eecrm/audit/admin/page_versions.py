"""The version of a page: the state of the database that the page shows, and what was written since.

A page of the admin site takes its version before it reads its rows, and sends it back with what its visitor typed. The
version is a snapshot of PostgreSQL: an entry of the trail that the snapshot doesn't see was written after the page was made.
The number of the newest entry wouldn't tell, because entries appear in the order of commits and not of their numbers. The
time is for a database that was put back from a copy, where numbers of transactions are given out a second time.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple, Self

from django.core import signing
from django.db import connection
from django.db.models import BooleanField, Model, Q
from django.db.models.expressions import RawSQL
from django.http import HttpRequest

from audit.models import Entry, EntryQuerySet

_NOW = """
    SELECT pg_current_snapshot()::text, coalesce(pg_current_xact_id_if_assigned()::text, '0'), clock_timestamp()::text
"""
# In the order of the fields of a version.
_SINCE = "(NOT pg_visible_in_snapshot(transaction_id, %s::pg_snapshot) AND transaction_id <> %s::xid8 OR at > %s::timestamptz)"

PAGE_VERSION_FIELD = "page_version"  # of a form, hidden


class Since(NamedTuple):
    """What the trail says of a row since its page was made: also of what is again as the page showed it."""

    fields: frozenset[str]
    members: Mapping[str, frozenset[str]]  # the keys of rows that were put into a field of several rows, or taken out
    entries: EntryQuerySet  # which say so, oldest first

    @classmethod
    def of(cls, version: "PageVersion", row: Model, names: Collection[str]) -> Self:
        """Of the fields that a form has. Costs a statement, and another one for each of them that holds several rows."""
        entries = version.changes_of(type(row), [row.pk])
        written, members = _versioned_columns(entries), {}
        several: list[Any] = [one for one in row._meta.many_to_many if one.name in names]
        for one in several:
            below = version.changes_below(one.remote_field.through, one.m2m_column_name(), row.pk)
            sides = below.values_list("old", "new")
            members[one.name] = frozenset(str((new or old or {})[one.m2m_reverse_name()]) for old, new in sides)
            entries = entries | below
        return cls(frozenset(one.name for one in row._meta.concrete_fields if one.column in written), members, entries)


UNCHANGED = Since(frozenset(), {}, Entry.objects.none())


class PageVersion(NamedTuple):
    snapshot: str
    own: (
        str  # the transaction that took it sees its own writes, which its snapshot doesn't count; mostly there are none
    )
    at: str

    @classmethod
    def now(cls) -> Self:
        with connection.cursor() as cursor:
            cursor.execute(_NOW)
            return cls(*cursor.fetchone())

    def entries_since(self) -> EntryQuerySet:
        """Oldest first."""
        return Entry.objects.filter(RawSQL(_SINCE, self, BooleanField())).order_by("id")

    def changes_of(self, model: type[Model], keys: Iterable[Any]) -> EntryQuerySet:
        """Entries about these rows that are newer than the page."""
        return self.entries_since().filter(table_name=model._meta.db_table, row_key__in=[str(key) for key in keys])

    def changes_below(self, model: type[Model], column: str, key: Any) -> EntryQuerySet:
        """Entries about rows that belong to this one, those that are gone too."""
        owner = {column: key}
        mine = Q(old__contains=owner) | Q(new__contains=owner)
        return self.entries_since().filter(mine, table_name=model._meta.db_table)


def _versioned_columns(entries: EntryQuerySet) -> set[str]:
    return {column for sides in entries.values_list("old", "new") for side in sides if side for column in side}


def signed(request: HttpRequest, version: PageVersion, **shown: Any) -> str:
    """The hidden field of a form on this page, for this visitor: its version, and what else the form must prove."""
    return signing.dumps({"version": version, **shown}, salt=_salt(request), compress=True)


def sent_page(request: HttpRequest) -> dict[str, Any] | None:
    """The contents of the hidden field that came with a form; None without one, or with one of another page or visitor."""
    try:
        page: dict[str, Any] = signing.loads(request.POST.get(PAGE_VERSION_FIELD, ""), salt=_salt(request))
    except signing.BadSignature:
        return None
    return page | {"version": PageVersion(*page["version"])}


def _salt(request: HttpRequest) -> str:
    return f"audit.admin.page_versions:{request.user.pk}:{request.path}"
