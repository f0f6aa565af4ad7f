"""Turns database errors into refusals of a request: HTTP status, sentence, and the constraint's name as the rule."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple, cast

from django.apps import apps
from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError, OperationalError
from django.db.models import BaseConstraint, Model, ProtectedError
from psycopg2 import DatabaseError as LibraryError
from psycopg2 import errors

from access import state_rules

REASON_REQUIRED = "reason_required"  # error code if an action needs a change reason and got none


class Refusal(NamedTuple):
    status: int
    code: str
    rule: str
    sentence: str

    @property
    def retry_after(self) -> int:
        """Seconds for the Retry-After header. The number is higher if an operator has to repair the fault."""
        return 60 if self.code in ("disk_full", "failing") else 1


def _outage(code: str, sentence: str) -> Refusal:
    return Refusal(503, code, "database", sentence)


UNAVAILABLE = _outage("unavailable", "The database can't be reached: try again in a moment.")
BUSY = _outage("busy", "Somebody else is changing the same thing: try again in a moment.")
READ_ONLY = _outage("read_only", "The database takes no changes at the moment: try again in a moment.")
STATEMENT_TIMED_OUT = _outage(
    "timeout", "The database took too long for this: ask for less at once, or try again later."
)
DISK_FULL = _outage("disk_full", "The database has no room left on its disk, so nothing was saved: try again later.")
OVERLOADED = _outage("overloaded", "The database has reached one of its limits: try again in a moment.")
FAILING = _outage("failing", "The database has a fault of its own, which has been logged: try again later.")
_TOO_LARGE = Refusal(400, "invalid", "value", "A value is larger than can be stored.")

# Maps an SQLSTATE, or its class (the first two characters), to a refusal: "53100" -> DISK_FULL.
# Appendix A of PostgreSQL's manual lists the classes of SQLSTATEs.
# The server's state causes these errors, and not the HTTP request.
# SQLSTATEs of class 54 are an exception: there, a value in the request is too large.
_OUTAGES = {
    "08": UNAVAILABLE,
    "25006": READ_ONLY,
    "25P03": STATEMENT_TIMED_OUT,  # the session was idle in a transaction for too long
    "25P04": STATEMENT_TIMED_OUT,
    "40": BUSY,
    "53": OVERLOADED,
    "53100": DISK_FULL,
    "54": _TOO_LARGE,
    "55006": BUSY,
    "55P03": BUSY,
    "57": UNAVAILABLE,
    "57014": STATEMENT_TIMED_OUT,
    "58": FAILING,
    "F0": FAILING,
    "XX": FAILING,
}
# SQLSTATEs that a standby raises, besides 25006, for operations that only the primary can do.
# A standby can't read an unlogged table, report the current WAL position or assign a transaction id.
_OF_A_STANDBY = ("0A000", "55000", "XX000")
# Messages of libpq if no host in PG_HOST meets PG_TARGET_SESSION_ATTRS. These errors have no SQLSTATE.
_NO_PRIMARY = re.compile("session is read-only|server is in hot standby mode")


def sqlstate_of(error: BaseException) -> str:
    """Returns the SQLSTATE of a database error; "" if the error has none, for example after a lost connection."""
    return getattr(error.__cause__, "pgcode", None) or ""


def _outage_of(error: BaseException) -> Refusal | None:
    """Returns the refusal for an error that the server's state has caused; None for any other error."""
    cause, state = error.__cause__, sqlstate_of(error)
    if state in _OF_A_STANDBY and _on_standby(cause):
        return READ_ONLY
    if outage := _OUTAGES.get(state) or _OUTAGES.get(state[:2]):
        return outage
    if not state and _NO_PRIMARY.search(str(error)):
        return READ_ONLY
    if isinstance(error, OperationalError | InterfaceError) or (not state and type(cause) is LibraryError):
        return UNAVAILABLE
    return None


def _on_standby(cause: Any) -> bool:
    connection = cause.cursor.connection
    return bool(connection.info.parameter_status("in_hot_standby") == "on")


@cache
def _declared_constraint() -> dict[str, BaseConstraint]:
    return {constraint.name: constraint for model in apps.get_models() for constraint in model._meta.constraints}


def _model_of(table: str) -> type[Model] | None:
    return next((model for model in apps.get_models(include_auto_created=True) if model._meta.db_table == table), None)


def still_used(used: type[Model], by: type[Model]) -> Refusal:
    """Returns the refusal (409) of a deletion: rows of the model `by` still refer to the row of the model `used`.

    The source is rule 6 of the access matrix.
    """
    noun, referring = used._meta.verbose_name, by._meta.verbose_name_plural
    return Refusal(
        409,
        "conflict",
        f"{used._meta.model_name}_has_{referring}".replace(" ", "_"),
        f"This {noun} can't be deleted while it has {referring}.",
    )


_DELETE = re.compile(rb"\s*DELETE\b", re.IGNORECASE)


def _model_referred_to(model: type[Model], constraint: str) -> type[Model] | None:
    """Returns the model to which a foreign key of `model` refers. `constraint` is the key's name in PostgreSQL.

    Django names such a constraint `<table>_<column>_<digest>_fk_…`.
    """
    keys = (field for field in model._meta.concrete_fields if field.related_model and f"_{field.column}_" in constraint)
    key = next(keys, None)
    return cast("type[Model]", key.related_model) if key else None


def _foreign_key(error: errors.ForeignKeyViolation) -> Refusal:
    # A foreign key error has two causes: a row refers to a missing row, or rows still refer to a row to be deleted.
    # Only the error message tells the two causes apart, and the message is in the server's language.
    # So the code looks at the SQL statement instead: only a DELETE meets rows that still refer to the deleted row.
    referring, rule = _model_of(error.diag.table_name or ""), error.diag.constraint_name or "foreign_key"
    used = _model_referred_to(referring, rule) if referring else None
    if used and referring and _DELETE.match(error.cursor.query or b""):
        return still_used(used, referring)
    return Refusal(409, "conflict", rule, "What this belongs to was deleted a moment ago.")


def of_unique_column(table: str, name: str) -> str:
    """Returns the sentence for a duplicate value in a unique column. `name` is the name of the column's constraint.

    The column is found by the constraint's name, because under row security PostgreSQL's error may not name the column.
    """
    model = _model_of(table)
    for field in model._meta.concrete_fields if model else ():
        if name == f"{table}_{field.column}_key":
            return f"Another {field.model._meta.verbose_name} has this {field.verbose_name} already."
    return "This exists already."


def _of_state(name: str) -> Refusal:
    rule = state_rules.declared_rules().get(name)
    if rule is None:
        return Refusal(409, "conflict", name, "The database refuses this in its present state.")
    if rule.needs_reason:
        return Refusal(400, REASON_REQUIRED, name, rule.sentence)
    return Refusal(409, "conflict", name, rule.sentence)


def refusal_to_show(error: BaseException) -> Refusal:
    """Returns a refusal that a page can show to its user. Raises the error again if it is an outage or a bug."""
    refusal = refusal_of(error)
    if refusal is None or refusal.status >= 500:
        raise error
    return refusal


def refusal_of(error: BaseException) -> Refusal | None:
    """Returns the refusal for a database error; None if the error is a bug in our code."""
    if isinstance(error, ProtectedError):
        row = next(iter(error.protected_objects))
        used = next(
            (
                field.related_model
                for field in row._meta.concrete_fields
                if field.remote_field and f"'{row._meta.object_name}.{field.name}'" in error.args[0]
            ),
            None,
        )
        return still_used(used, type(row)) if used else Refusal(409, "conflict", "in_use", "This is still in use.")
    if not isinstance(error, DatabaseError | InterfaceError):
        return None
    cause = error.__cause__
    if cause is None and "did not affect any rows" in str(error):
        # Django raises this error if the row was deleted, or if the role that saves the row no longer sees it.
        return Refusal(409, "conflict", "row_gone", "This was deleted, or given to somebody else, a moment ago.")
    constraint = _declared_constraint().get(getattr(getattr(cause, "diag", None), "constraint_name", None) or "")
    match cause:
        case errors.UniqueViolation():
            table, name = cause.diag.table_name or "", cause.diag.constraint_name or "unique"
            sentence = constraint.violation_error_message if constraint else of_unique_column(table, name)
            return Refusal(409, "duplicate", name, str(sentence))
        case errors.CheckViolation() if constraint:
            return Refusal(400, "invalid", constraint.name, str(constraint.violation_error_message))
        case errors.CheckViolation():  # raised by the SQL function `refuse(rule)` in a trigger
            return _of_state(cause.diag.constraint_name or "state")
        case errors.ForeignKeyViolation():
            return _foreign_key(cause)
        case errors.InsufficientPrivilege():
            return Refusal(403, "permission_denied", "database", "The database refuses this to your role.")
        case errors.DataError():
            return Refusal(400, "invalid", "value", "A value is out of the range that can be stored.")
    return _outage_of(error)


@contextmanager
def refusals_as_command_errors(*, before: str = "", after: str = "") -> Iterator[None]:
    """Context manager: turns a database error in its block into a CommandError.

    The message of the CommandError is `before`, then the reason of the refusal, then `after`. An error that is no
    refusal is quoted instead of the reason.
    """
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        refusal = refusal_of(error)
        raise CommandError(f"{before}{refusal.sentence if refusal else error}{after}") from error
