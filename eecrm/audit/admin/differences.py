"""Describes trail entries for admin pages: the action, the row, the user, and each column's old and new value."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.contrib.admin import AdminSite
from django.contrib.auth import get_user_model
from django.db.models import DateTimeField, ForeignKey
from django.http import HttpRequest

from access import policy
from audit.admin.row_names import RowKey, Value, kind_of, linked, model_of_table
from audit.models import Entry
from audit.trail.personal import hidden
from audit.trail.representation import role_in_words

VERBS = {"insert": "added", "update": "changed", "delete": "deleted"}

# Every update changes these columns, so pages don't mark them as changed.
_BOOKKEEPING = ("updated_at", "version")


class Difference(NamedTuple):
    """A column's value before and after a write.

    `is_marked` is true for each column that an update changed, except `updated_at` and `version`.
    """

    label: str
    before: Value
    after: Value
    is_marked: bool


class DescribedEntry(NamedTuple):
    """A trail entry with the texts and links that a page shows about the entry."""

    entry: Entry
    verb: str
    kind: str
    row: Value
    person: Value
    role: str
    differences: list[Difference]


def columns(entry: Entry) -> list[str]:
    """Returns the columns in a trail entry: first the model's, then unknown ones, then `updated_at` and `version`."""
    written = {**(entry.old or {}), **(entry.new or {})}
    ordered = [column for column in _fields(entry.table_name) if column in written]
    ordered += sorted(set(written) - set(ordered))
    return sorted(ordered, key=_BOOKKEEPING.__contains__)


def changed(entry: Entry) -> list[str]:
    """Returns the labels of the fields that an update changed, without `updated_at` and `version`."""
    return [_field_label(entry.table_name, name) for name in columns(entry) if name not in _BOOKKEEPING]


def tell(site: AdminSite, request: HttpRequest, entries: list[Entry]) -> list[DescribedEntry]:
    """Describes trail entries for a page. The number of queries depends on the number of models, not of entries."""
    row_keys = {row_key for entry in entries for row_key in (row_key_of(entry), *_references(entry))}
    names = linked(site, request, row_keys)
    is_masked = not policy.sees_personal_data(request.user)
    return [
        DescribedEntry(
            entry,
            VERBS[entry.operation],
            kind_of(entry.table_name),
            names.get(row_key_of(entry), Value(entry.row_key)),
            names.get(_actor_key(entry), Value(entry.actor_name)),
            role_in_words(entry.role),
            list(_differences(entry, names, is_masked)),
        )
        for entry in entries
    ]


def row_key_of(entry: Entry) -> RowKey:
    return entry.table_name, entry.row_key


def _actor_key(entry: Entry) -> RowKey:
    return get_user_model()._meta.db_table, str(entry.actor_id or "")


def _fields(table: str) -> dict[str, Any]:
    model = model_of_table(table)
    return {str(field.column): field for field in model._meta.concrete_fields} if model else {}


def _field_label(table: str, column: str) -> str:
    field = _fields(table).get(column)
    return str(field.verbose_name) if field else column


def _references(entry: Entry) -> Iterator[RowKey]:
    if entry.actor_id is not None:
        yield _actor_key(entry)
    for column, field in _fields(entry.table_name).items():
        if isinstance(field, ForeignKey):
            values = ((side or {}).get(column) for side in (entry.old, entry.new))
            yield from ((field.related_model._meta.db_table, str(value)) for value in values if value is not None)


def _differences(entry: Entry, names: dict[RowKey, Value], is_masked: bool) -> Iterator[Difference]:
    """Yields each column with its old and new value. Leaves out the empty columns of a new or a deleted row."""
    for column in columns(entry):
        field = _fields(entry.table_name).get(column)
        values = [(side or {}).get(column) for side in (entry.old, entry.new)]
        if is_masked:
            values = [hidden(entry.table_name, column, value) for value in values]
        before, after = (_display_value(value, field, names) for value in values)
        is_change = entry.operation == "update"
        if is_change or before.text or after.text:
            is_marked = is_change and column not in _BOOKKEEPING
            yield Difference(_field_label(entry.table_name, column), before, after, is_marked)


def _display_value(value: Any, field: Any, names: dict[RowKey, Value]) -> Value:
    match value:
        case None | "":
            return Value("")
        case bool():
            return Value("yes" if value else "no")
        case _ if isinstance(field, ForeignKey):
            return names.get((field.related_model._meta.db_table, str(value)), Value(str(value)))
        case str() if isinstance(field, DateTimeField):
            return Value(_moment(value))
    return Value(str(dict(getattr(field, "flatchoices", None) or ()).get(value, value)))


def _moment(text: str) -> str:
    try:
        return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError):  # text that is no time: PostgreSQL's `infinity`, or stars that hide a value
        return text
