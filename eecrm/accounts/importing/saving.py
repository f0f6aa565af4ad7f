"""Saves imported accounts: all of them or none."""

from collections.abc import Callable, Iterator
from math import isqrt
from typing import Any

from django.db import DatabaseError, connection, transaction

from access.database import rolled_back_if
from access.refusals import refusal_of
from accounts.importing.checking import Checked
from accounts.importing.columns import ACCOUNT_FIELDS, Membership
from accounts.importing.planning import ImportPlan, ImportStep, Wishes, lock_accounts, plan
from accounts.models import Mail, User
from csv_files import CannotImport
from csv_files.problems import MAX_PROBLEMS, Problem, failure

MAX_ACCOUNTS_PER_STATEMENT = 1_000

# This module writes SQL, because Django's `bulk_update` would write a CASE of 1,000 branches for each column.
# Django's `bulk_create` would take four times as long as this SQL.
_WRITTEN_COLUMNS = ", ".join(ACCOUNT_FIELDS)
_DEFAULTS = {field.name: field.get_default() for field in User._meta.concrete_fields if field.name in ACCOUNT_FIELDS}
_ARRAYS = ", ".join("%s::boolean[]" if name == "is_active" else "%s::text[]" for name in ACCOUNT_FIELDS)
_UPDATE = f"""
    UPDATE accounts_user AS account SET {", ".join(f"{name} = row.{name}" for name in ACCOUNT_FIELDS)}
      FROM unnest(%s::bigint[], {_ARRAYS}) AS row (id, {_WRITTEN_COLUMNS})
     WHERE account.id = row.id
"""
_INSERT = f"""
    INSERT INTO accounts_user (username, password, is_superuser, {_WRITTEN_COLUMNS})
    SELECT username, unusable_password(), false, {_WRITTEN_COLUMNS}
      FROM unnest(%s::text[], {_ARRAYS}) AS row (username, {_WRITTEN_COLUMNS})
    RETURNING username, id
"""
_JOIN = """
    INSERT INTO accounts_user_groups (user_id, group_id)
    SELECT * FROM unnest(%s::bigint[], %s::integer[]) ON CONFLICT DO NOTHING
"""
_INVITE = """
    INSERT INTO accounts_mail (kind, user_id, address)
    SELECT %s, account, %s FROM unnest(%s::bigint[]) AS account
"""


class NotAsShown(Exception):
    """Raised if the import would now make other changes than the user has confirmed."""


def save_accounts(
    checked: Checked,
    wishes: Wishes,
    *,
    is_dry_run: bool,
    is_quiet: bool,
    is_confirmed: Callable[[ImportPlan], bool] = lambda planned: True,
) -> ImportPlan:
    """Imports the accounts with the rights of the current PostgreSQL role, and returns the plan.

    An import first locks the listed accounts, so that nobody changes them after the plan was made. Then the import
    calls `is_confirmed` with the plan. Raises NotAsShown if `is_confirmed` returns False, and CannotImport with all
    problems of the list.

    A dry run tries the writes and is rolled back. A dry run locks only the accounts that it changes, because logins
    wait for such a lock.
    """
    with transaction.atomic(), rolled_back_if(is_dry_run):
        if not is_dry_run:
            lock_accounts(User.objects.filter(username__in=[entry.username for entry in checked.entries]))
        planned = plan(checked, wishes)
        if not (planned.problems or is_confirmed(planned)):
            raise NotAsShown
        if problems := [*checked.problems, *planned.problems]:
            raise CannotImport(failure(problems))
        lock_accounts(User.objects.filter(pk__in=[step.pk for step in planned.changed]))
        _write_accounts(planned.steps, wishes.notify_to, is_quiet=is_quiet)
    return planned


def _write_accounts(steps: list[ImportStep], notify_to: str, *, is_quiet: bool) -> None:
    """Writes the steps (planned changes). Raises CannotImport with a problem for each row that the database refused.

    Refused rows are tried again after all others. For example, the only manager can lose the role only after another
    row has made a new manager. The function stops as soon as it has found more problems than an error message lists,
    because it takes several statements to find each problem.
    """
    from tqdm import tqdm

    waiting = steps
    while waiting:
        refusals = list[Problem]()
        with tqdm(total=len(waiting), desc="Saving", unit=" rows", disable=is_quiet) as bar:
            for batch in _batches(waiting):
                for problem in _write_batch(batch, notify_to):
                    refusals.append(problem)
                    if len(refusals) > MAX_PROBLEMS:
                        raise CannotImport(failure(refusals, is_complete=False))
                bar.update(len(batch))
        if len(refusals) == len(waiting):
            raise CannotImport(failure(refusals))
        refused_lines = {problem.line for problem in refusals}
        waiting = [step for step in waiting if step.line in refused_lines]


def _batches(steps: list[ImportStep], size: int = MAX_ACCOUNTS_PER_STATEMENT) -> Iterator[list[ImportStep]]:
    for start in range(0, len(steps), size):
        yield steps[start : start + size]


def _write_batch(steps: list[ImportStep], notify_to: str) -> Iterator[Problem]:
    """Writes these rows. Yields a problem for each row that the database refuses.

    A refusal undoes the whole statement. The n rows are then split into parts of √n rows, and each part is written
    again separately. A refused part is split again, until each refused row is found. So most rows are written twice. If
    the parts were halves, ten refused rows in a thousand would take twice the time.
    """
    try:
        with transaction.atomic():
            _write_rows(steps, notify_to)
        return
    except DatabaseError as error:
        refusal = refusal_of(error)
        if refusal is None or refusal.status not in (400, 409):
            raise
    if len(steps) == 1:
        yield Problem(steps[0].line, refusal.sentence)
        return
    for part in _batches(steps, isqrt(len(steps))):
        yield from _write_batch(part, notify_to)


def _write_rows(steps: list[ImportStep], notify_to: str) -> None:
    """Writes the rows with one statement for each kind of change, however many rows there are."""
    new = [step for step in steps if step.pk is None]
    changed = [step for step in steps if step.pk is not None and step.changes]
    with connection.cursor() as cursor:
        keys = _insert(cursor, new)
        keys |= {step.username: step.pk for step in steps if step.pk is not None}
        if changed:
            cursor.execute(_UPDATE, [[step.pk for step in changed], *_column_values(changed)])
        if left := [key for step in steps for key in step.left]:
            Membership.objects.filter(pk__in=left).delete()
        if joined := [(keys[step.username], group) for step in steps for group in step.joined]:
            cursor.execute(_JOIN, [list(column) for column in zip(*joined, strict=True)])
        if invited := [keys[step.username] for step in steps if step.is_invited]:
            cursor.execute(_INVITE, [Mail.Kind.INVITATION.value, notify_to, invited])


def _insert(cursor: Any, new: list[ImportStep]) -> dict[str, int]:
    """Inserts the new accounts. Returns their primary keys by username, for example `ann` -> 17."""
    if not new:
        return {}
    cursor.execute(_INSERT, [[step.username for step in new], *_column_values(new)])
    return dict(cursor.fetchall())


def _column_values(steps: list[ImportStep]) -> list[list[Any]]:
    """Returns the values of each column, in the order of ACCOUNT_FIELDS. A missing value is the field's default."""
    return [[step.values.get(name, _DEFAULTS[name]) for step in steps] for name in ACCOUNT_FIELDS]
