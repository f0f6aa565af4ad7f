"""What was deleted comes back, and one change is taken back: both out of the trail, under every rule.

Values go from the entry into the table within PostgreSQL, so that they are to the last digit what they were. Who may do it
(*restore* of the policy table) the caller asks first; the entered role's grants and the triggers ask again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Any, NamedTuple

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import DateTimeField, Field, Model

from access import policy
from access.database import origin
from access.querysets import resource_of
from access.refusals import refusal_of
from api.resources.registry import model_of, recorded
from audit.models import Entry

# What the database writes by itself: never put back by an undo.
_RECORD = frozenset({"id", "version", "created_at", "updated_at", "signed_at"})


class CannotRestore(Exception):
    """Why not, as a sentence."""


class FieldReversal(NamedTuple):
    """A field that is put back; `now` is None where the whole row is gone."""

    field: "Field[Any, Any]"
    now: Any
    then: Any

    @property
    def is_of_people(self) -> bool:
        return self.field.name not in _RECORD

    @property
    def now_in_words(self) -> str:
        return _in_words(self.field, self.now)

    @property
    def then_in_words(self) -> str:
        return _in_words(self.field, self.then)


def restorable() -> dict[str, type[Model]]:
    """Resource -> model, of the resources on the trail that the policy table lets anybody restore."""
    return {noun: model_of(viewset) for noun, viewset in recorded().items() if policy.knows(noun, "restore")}


def model_of_noun(noun: str) -> type[Model]:
    """Raises CannotRestore for a noun that isn't `restorable`."""
    if (model := restorable().get(noun)) is None:
        raise _cannot_restore_others()
    return model


def noun_of(entry: Entry) -> str:
    """Raises CannotRestore for an entry that isn't about a restorable row."""
    for noun, model in restorable().items():
        if model._meta.db_table == entry.table_name:
            return noun
    raise _cannot_restore_others()


def _cannot_restore_others() -> CannotRestore:
    *others, last = [str(model._meta.verbose_name_plural) for model in restorable().values()]
    names = f"{', '.join(others)} and {last}" if others else last
    return CannotRestore(f"Only {names} are restored from the trail.")


def last_deletion(noun: str, key: int) -> Entry:
    """Raises CannotRestore where this row was never deleted."""
    rows = Entry.objects.filter(table_name=model_of_noun(noun)._meta.db_table, row_key=str(key), operation="delete")
    if (entry := rows.order_by("-id").first()) is None:
        raise CannotRestore(f"The trail knows of no {noun} {key} that was deleted.")
    return entry


def restoration(entry: Entry, *, locks: bool = False) -> list[FieldReversal]:
    """What *restore* would put back. Raises CannotRestore where it can be told beforehand that it won't go.

    `locks` keeps the rows above as they are, for they hand down their contact.
    """
    noun = noun_of(entry)
    model, key = model_of_noun(noun), entry.row_key
    if entry.operation != "delete":
        raise CannotRestore("Only what was deleted can be restored: this entry is about something else.")
    if model._default_manager.filter(pk=key).exists():
        raise CannotRestore(f"The {noun} {key} is there: it needn't be restored.")
    if last_deletion(noun, int(key)).pk != entry.pk:
        raise CannotRestore(f"The {noun} {key} was deleted again later: restore it from its last deletion.")
    old: dict[str, Any] = entry.old or {}
    steps = [FieldReversal(field, None, old[field.column]) for field in _stored_value(model) if field.column in old]
    handed_down: dict[str, FieldReversal] = {}
    for field, _, parent in steps:
        above = field.related_model
        if above and resource_of(above) in settings.RESOURCES:
            rows = above._default_manager.filter(pk=parent)
            row = (rows.select_for_update(of=("self",), no_key=True) if locks else rows).first()
            if row is None:
                raise CannotRestore(f"Restore its {above._meta.verbose_name} first: number {parent}.")
            handed_down |= {
                one.name: FieldReversal(one, None, getattr(row, one.attname)) for one in _handed_down(model, above)
            }
    return [*(step for step in steps if step.field.name not in handed_down), *handed_down.values()]


def _handed_down(model: type[Model], above: type[Model]) -> list[Any]:
    """The fields that a row takes over from the row above as they are there: no trail of its own has them."""
    there = {field.name for field in above._meta.concrete_fields}
    return [one for one in _stored_value(model) if one.related_model and not one.editable and one.name in there]


def restore(entry: Entry) -> Model:
    """The row again, with its key, under the next version. Raises CannotRestore."""
    _demand_reason()
    steps = restoration(entry)
    model = model_of_noun(noun_of(entry))
    columns = [
        connection.ops.quote_name(str(step.field.column)) for step in steps if step.field.column in (entry.old or {})
    ]
    table = connection.ops.quote_name(model._meta.db_table)
    listed = ", ".join(columns)
    # A column that the table got since takes its default; one that it lost is left out.
    _run(
        f"INSERT INTO {table} ({listed}) SELECT {listed} FROM jsonb_populate_record(NULL::{table}, (SELECT old || "
        "jsonb_build_object('version', (old ->> 'version')::bigint + 1, 'updated_at', statement_timestamp()) "
        "FROM audit.entry WHERE id = %s))",
        [entry.pk],
    )
    return model._default_manager.get(pk=entry.row_key)


def reversal(entry: Entry) -> list[FieldReversal]:
    """What *undo* would put back. Raises CannotRestore where it can be told beforehand that it won't go."""
    noun = noun_of(entry)
    model = model_of_noun(noun)
    if entry.operation != "update":
        raise CannotRestore("Only a change can be undone: this entry is about something else.")
    old, new = entry.old or {}, entry.new or {}
    fields = [field for field in _stored_value(model) if field.column in new and field.name not in _RECORD]
    if not fields:
        raise CannotRestore("Nothing that people write was changed: there is nothing to undo.")
    names = [str(field.column) for field in fields]
    now = _compared(model, entry, names)
    if now is None:
        raise CannotRestore(f"The {noun} {entry.row_key} was deleted: restore it first.")
    changed = [str(field.verbose_name) for field in fields if not now[str(field.column)]]
    if changed:
        raise CannotRestore(f"This was changed again since: {', '.join(changed)}. Undo the later change first.")
    return [FieldReversal(field, new[field.column], old[field.column]) for field in fields]


def reversal_and_the_rest(entry: Entry) -> list[FieldReversal]:
    """The same, and what is decided together with it, which stays as it is: who takes back a reopening signs all of that."""
    steps = reversal(entry)
    model, put_back = model_of_noun(noun_of(entry)), {step.field.name for step in steps}
    row: Any = model._default_manager.get(pk=entry.row_key)  # locked
    sets: Any = getattr(model, "decided_together", ())
    rest = {name for names in sets if not put_back.isdisjoint(names) for name in names} - put_back
    stays = [(field, getattr(row, field.attname)) for field in _stored_value(model) if field.name in rest]
    return [*steps, *(FieldReversal(field, value, value) for field, value in stays)]


def undo(entry: Entry) -> Model:
    """The row with the old values of what the change wrote. Raises CannotRestore."""
    _demand_reason()
    steps = reversal(entry)
    model = model_of_noun(noun_of(entry))
    table = connection.ops.quote_name(model._meta.db_table)
    columns = [connection.ops.quote_name(str(step.field.column)) for step in steps]
    values = ", ".join(f"{column} = before.{column}" for column in columns)
    _run(
        f"UPDATE {table} AS stored SET {values} FROM audit.entry AS entry, "
        f"jsonb_populate_record(NULL::{table}, entry.old) AS before WHERE entry.id = %s AND stored.id = %s",
        [entry.pk, entry.row_key],
    )
    return model._default_manager.get(pk=entry.row_key)


def _in_words(field: Any, value: Any) -> str:
    """A stored value as people know it: a related row by its name, a choice by its label."""
    if value is None or value == "":
        return "–"
    if field.related_model:
        return str(field.related_model._default_manager.filter(pk=value).first() or f"number {value}, which is gone")
    if isinstance(field, DateTimeField):
        return f"{field.to_python(value).astimezone(UTC):%d %B %Y, %H:%M} UTC"
    return str(dict(field.flatchoices).get(value, value))


def _stored_value(model: type[Model]) -> list[Any]:
    """The fields that have a column of their own to write: what PostgreSQL computes comes back by itself."""
    return [field for field in model._meta.concrete_fields if not field.generated]


def _compared(model: type[Model], entry: Entry, columns: list[str]) -> dict[str, bool] | None:
    """Whether each column still has the value that the change gave it, of the row that is locked for it; None: no row."""
    table = connection.ops.quote_name(model._meta.db_table)
    quoted = [connection.ops.quote_name(column) for column in columns]
    same = ", ".join(f"stored.{column} IS NOT DISTINCT FROM given.{column}" for column in quoted)
    rows = _run(
        f"SELECT {same} FROM {table} AS stored, audit.entry AS entry, jsonb_populate_record(NULL::{table}, entry.new) AS given "
        "WHERE entry.id = %s AND stored.id = %s FOR NO KEY UPDATE OF stored",
        [entry.pk, entry.row_key],
    )
    return dict(zip(columns, rows[0], strict=True)) if rows else None


def _demand_reason() -> None:
    """The reason is told before, by `give_reason` or `because`."""
    if not origin.get().reason:
        raise CannotRestore("Say why: what is put back from the trail needs a reason.")


def _run(sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
    with refused_in_words(), connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def refused_in_words() -> Iterator[None]:
    """A refusal of the database as CannotRestore; the transaction around goes on."""
    try:
        with transaction.atomic():
            yield
    except DatabaseError as error:
        refusal = refusal_of(error)
        if refusal is None or refusal.status >= 500:
            raise
        raise CannotRestore(refusal.sentence) from error
