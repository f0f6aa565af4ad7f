"""An entry of the trail as a page tells it: what was done to what, and each column before and after."""

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

# What each write changes along with the rest.
_BOOKKEEPING = ("updated_at", "version")


class Difference(NamedTuple):
    """A column before and after. In a change, what it is about is marked, and bookkeeping isn't."""

    label: str
    before: Value
    after: Value
    is_marked: bool


class DescribedEntry(NamedTuple):
    """An entry with everything that a page says of it."""

    entry: Entry
    verb: str
    kind: str
    row: Value
    person: Value
    role: str
    differences: list[Difference]


def columns(entry: Entry) -> list[str]:
    """In the order of the model, what it doesn't know afterwards, and bookkeeping last."""
    written = {**(entry.old or {}), **(entry.new or {})}
    ordered = [column for column in _fields(entry.table_name) if column in written]
    ordered += sorted(set(written) - set(ordered))
    return sorted(ordered, key=_BOOKKEEPING.__contains__)


def changed(entry: Entry) -> list[str]:
    """The names of the fields that a change is about."""
    return [_field_label(entry.table_name, name) for name in columns(entry) if name not in _BOOKKEEPING]


def tell(site: AdminSite, request: HttpRequest, entries: list[Entry]) -> list[DescribedEntry]:
    """Costs a few statements for each kind of row that they name, however many they are."""
    places = {place for entry in entries for place in (row_key_of(entry), *_references(entry))}
    names = linked(site, request, places)
    is_masked = not policy.sees_personal_data(request.user)
    return [
        DescribedEntry(
            entry,
            VERBS[entry.operation],
            kind_of(entry.table_name),
            names.get(row_key_of(entry), Value(entry.row_key)),
            names.get(_person(entry), Value(entry.actor_name)),
            role_in_words(entry.role),
            list(_differences(entry, names, is_masked)),
        )
        for entry in entries
    ]


def row_key_of(entry: Entry) -> RowKey:
    return entry.table_name, entry.row_key


def _person(entry: Entry) -> RowKey:
    return get_user_model()._meta.db_table, str(entry.actor_id or "")


def _fields(table: str) -> dict[str, Any]:
    model = model_of_table(table)
    return {str(field.column): field for field in model._meta.concrete_fields} if model else {}


def _field_label(table: str, column: str) -> str:
    field = _fields(table).get(column)
    return str(field.verbose_name) if field else column


def _references(entry: Entry) -> Iterator[RowKey]:
    if entry.actor_id is not None:
        yield _person(entry)
    for column, field in _fields(entry.table_name).items():
        if isinstance(field, ForeignKey):
            values = ((side or {}).get(column) for side in (entry.old, entry.new))
            yield from ((field.related_model._meta.db_table, str(value)) for value in values if value is not None)


def _differences(entry: Entry, names: dict[RowKey, Value], is_masked: bool) -> Iterator[Difference]:
    """What is empty in a new or a deleted row is left out."""
    for column in columns(entry):
        field = _fields(entry.table_name).get(column)
        values = [(side or {}).get(column) for side in (entry.old, entry.new)]
        if is_masked:
            values = [hidden(entry.table_name, column, value) for value in values]
        before, after = (_shown(value, field, names) for value in values)
        is_change = entry.operation == "update"
        if is_change or before.text or after.text:
            is_marked = is_change and column not in _BOOKKEEPING
            yield Difference(_field_label(entry.table_name, column), before, after, is_marked)


def _shown(value: Any, field: Any, names: dict[RowKey, Value]) -> Value:
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
    except (ValueError, OverflowError):  # infinity, or masked
        return text
