"""Restores deleted rows and undoes single changes, with the values that the trail has recorded.

PostgreSQL itself copies the values from the trail entry into the table, so that no digit of an amount is lost.
The caller of these functions must check the permission first (action *restore* of the policy table).
PostgreSQL then checks it again: its grants, triggers and constraints apply as for any other write.
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
from access.refusals import refusal_to_show
from api.resources.registry import model_of, recorded
from audit.models import Entry

# The database itself writes these fields. Undoing a change doesn't restore their old values.
_DATABASE_FIELDS = frozenset({"id", "version", "created_at", "updated_at", "signed_at"})


class CannotRestore(Exception):
    """Raised if a row can't be restored or a change can't be undone. The message is a sentence for users."""


class FieldReversal(NamedTuple):
    """A field to restore: its current value (`now`) and the value to restore (`then`).

    `now` is None if the row was deleted.
    """

    field: "Field[Any, Any]"
    now: Any
    then: Any

    @property
    def is_of_people(self) -> bool:
        return self.field.name not in _DATABASE_FIELDS

    @property
    def now_in_words(self) -> str:
        return _in_words(self.field, self.now)

    @property
    def then_in_words(self) -> str:
        return _in_words(self.field, self.then)


def restorable() -> dict[str, type[Model]]:
    """Maps each resource that has the action *restore* in the policy table to its model."""
    return {noun: model_of(viewset) for noun, viewset in recorded().items() if policy.knows(noun, "restore")}


def model_of_noun(noun: str) -> type[Model]:
    """Returns the model of a resource, such as `client`. Raises CannotRestore if `restorable` doesn't have it."""
    if (model := restorable().get(noun)) is None:
        raise _cannot_restore_others()
    return model


def noun_of(entry: Entry) -> str:
    """Returns the resource of an entry's row, such as `client`. Raises CannotRestore if `restorable` lacks it."""
    for noun, model in restorable().items():
        if model._meta.db_table == entry.table_name:
            return noun
    raise _cannot_restore_others()


def _cannot_restore_others() -> CannotRestore:
    *others, last = [str(model._meta.verbose_name_plural) for model in restorable().values()]
    names = f"{', '.join(others)} and {last}" if others else last
    return CannotRestore(f"Only {names} are restored from the trail.")


def last_deletion(noun: str, key: int) -> Entry:
    """Returns the newest trail entry that deleted this row. Raises CannotRestore if the row was never deleted."""
    rows = Entry.objects.filter(table_name=model_of_noun(noun)._meta.db_table, row_key=str(key), operation="delete")
    if (entry := rows.order_by("-id").first()) is None:
        raise CannotRestore(f"The trail knows of no {noun} {key} that was deleted.")
    return entry


def restoration(entry: Entry, *, locks: bool = False) -> list[FieldReversal]:
    """Returns the fields that `restore` would write. Raises CannotRestore if `restore` would fail.

    `locks=True` locks the parent rows, because the restored row takes its sales contact from its parent.
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
    steps = [FieldReversal(field, None, old[field.column]) for field in _stored_fields(model) if field.column in old]
    handed_down: dict[str, FieldReversal] = {}
    for field, _, parent_key in steps:
        parent_model = field.related_model
        if parent_model and resource_of(parent_model) in settings.RESOURCES:
            rows = parent_model._default_manager.filter(pk=parent_key)
            parent = (rows.select_for_update(of=("self",), no_key=True) if locks else rows).first()
            if parent is None:
                raise CannotRestore(f"Restore its {parent_model._meta.verbose_name} first: number {parent_key}.")
            handed_down |= {
                taken.name: FieldReversal(taken, None, getattr(parent, taken.attname))
                for taken in _handed_down_fields(model, parent_model)
            }
    return [*(step for step in steps if step.field.name not in handed_down), *handed_down.values()]


def _handed_down_fields(model: type[Model], parent_model: type[Model]) -> list[Any]:
    """Returns the fields that a row takes from its parent, such as the sales contact.

    Entries about the row don't record these fields, so a restored row gets the parent's current value.
    """
    names = {field.name for field in parent_model._meta.concrete_fields}
    return [
        field for field in _stored_fields(model) if field.related_model and not field.editable and field.name in names
    ]


def restore(entry: Entry) -> Model:
    """Inserts a deleted row again with its old id and the next version. Raises CannotRestore if that isn't possible."""
    _demand_reason()
    steps = restoration(entry)
    model = model_of_noun(noun_of(entry))
    columns = [
        connection.ops.quote_name(str(step.field.column)) for step in steps if step.field.column in (entry.old or {})
    ]
    table = connection.ops.quote_name(model._meta.db_table)
    listed = ", ".join(columns)
    # Columns that were added to the table since the deletion get their default. Columns that were dropped are left out.
    _run(
        f"INSERT INTO {table} ({listed}) SELECT {listed} FROM jsonb_populate_record(NULL::{table}, (SELECT old || "
        "jsonb_build_object('version', (old ->> 'version')::bigint + 1, 'updated_at', statement_timestamp()) "
        "FROM audit.entry WHERE id = %s))",
        [entry.pk],
    )
    return model._default_manager.get(pk=entry.row_key)


def reversal(entry: Entry, *, locks: bool = False) -> list[FieldReversal]:
    """Returns the fields that `undo` would write. Raises CannotRestore if `undo` would fail.

    `locks=True` locks the row, so that it can't change after the comparison.
    """
    noun = noun_of(entry)
    model = model_of_noun(noun)
    if entry.operation != "update":
        raise CannotRestore("Only a change can be undone: this entry is about something else.")
    old, new = entry.old or {}, entry.new or {}
    fields = [field for field in _stored_fields(model) if field.column in new and field.name not in _DATABASE_FIELDS]
    if not fields:
        raise CannotRestore("Nothing that people write was changed: there is nothing to undo.")
    names = [str(field.column) for field in fields]
    now = _compare_with_change(model, entry, names, locks=locks)
    if now is None:
        raise _deleted_since(noun, entry)
    changed = [str(field.verbose_name) for field in fields if not now[str(field.column)]]
    if changed:
        raise CannotRestore(f"This was changed again since: {', '.join(changed)}. Undo the later change first.")
    return [FieldReversal(field, new[field.column], old[field.column]) for field in fields]


def _deleted_since(noun: str, entry: Entry) -> CannotRestore:
    return CannotRestore(f"The {noun} {entry.row_key} was deleted: restore it first.")


def reversal_and_the_rest(entry: Entry, *, locks: bool = False) -> list[FieldReversal]:
    """Returns the fields that the undo of an entry writes, and fields that make sense only together with these.

    The model lists such fields in `decided_together`.

    The page shows all of these fields. For example, if the reopening of a contract is undone, the contract is signed
    again, so the page shows all fields that the signature covers.
    """
    steps = reversal(entry, locks=locks)
    noun, put_back = noun_of(entry), {step.field.name for step in steps}
    model = model_of_noun(noun)
    row: Any = model._default_manager.filter(pk=entry.row_key).first()
    if row is None:  # if the row isn't locked, a colleague may delete the row at this moment
        raise _deleted_since(noun, entry)
    sets: Any = getattr(model, "decided_together", ())
    unchanged_names = {name for names in sets if not put_back.isdisjoint(names) for name in names} - put_back
    unchanged = [
        (field, getattr(row, field.attname)) for field in _stored_fields(model) if field.name in unchanged_names
    ]
    return [*steps, *(FieldReversal(field, value, value) for field, value in unchanged)]


def undo(entry: Entry) -> Model:
    """Restores the old values of the columns that a change wrote, and returns the row.

    Raises CannotRestore if that isn't possible.
    """
    _demand_reason()
    steps = reversal(entry, locks=True)
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
    """Returns a stored value as text for users: the name of a related row, or the label of a choice."""
    if value is None or value == "":
        return "–"
    if field.related_model:
        return str(field.related_model._default_manager.filter(pk=value).first() or f"number {value}, which is gone")
    if isinstance(field, DateTimeField):
        return f"{field.to_python(value).astimezone(UTC):%d %B %Y, %H:%M} UTC"
    return str(dict(field.flatchoices).get(value, value))


def _stored_fields(model: type[Model]) -> list[Any]:
    """Returns the model's fields without generated columns, which PostgreSQL computes."""
    return [field for field in model._meta.concrete_fields if not field.generated]


def _compare_with_change(
    model: type[Model], entry: Entry, columns: list[str], *, locks: bool
) -> dict[str, bool] | None:
    """Maps each column to True if its value is still the one that the change wrote, otherwise to False.

    Returns None if the row doesn't exist. `locks=True` locks the row.
    """
    table = connection.ops.quote_name(model._meta.db_table)
    quoted = [connection.ops.quote_name(column) for column in columns]
    same = ", ".join(f"stored.{column} IS NOT DISTINCT FROM given.{column}" for column in quoted)
    rows = _run(
        f"SELECT {same} FROM {table} AS stored, audit.entry AS entry, "
        f"jsonb_populate_record(NULL::{table}, entry.new) AS given "
        f"WHERE entry.id = %s AND stored.id = %s {'FOR NO KEY UPDATE OF stored' if locks else ''}",
        [entry.pk, entry.row_key],
    )
    return dict(zip(columns, rows[0], strict=True)) if rows else None


def _demand_reason() -> None:
    """Raises CannotRestore if no reason was set. The caller sets the reason first, with `give_reason` or `because`."""
    if not origin.get().reason:
        raise CannotRestore("Say why: what is put back from the trail needs a reason.")


def _run(sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
    with refused_in_words(), connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def refused_in_words() -> Iterator[None]:
    """Turns a refusal by the database into CannotRestore. A savepoint keeps the outer transaction usable."""
    try:
        with transaction.atomic():
            yield
    except DatabaseError as error:
        raise CannotRestore(refusal_to_show(error).sentence) from error
