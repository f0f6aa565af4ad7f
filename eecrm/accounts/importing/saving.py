"""Accounts into the database: all of them or none."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import DatabaseError, connection, transaction

from access.database import rolled_back_if
from access.refusals import refusal_of
from accounts.importing.checking import Checked
from accounts.importing.columns import ACCOUNT_FIELDS, Membership
from accounts.importing.planning import ImportPlan, ImportStep, Wishes, plan
from accounts.models import Mail, User
from csv_files import CannotImport
from csv_files.problems import MOST_PROBLEMS, Problem, failure

MAX_ACCOUNTS_PER_STATEMENT = 1_000

# Django's bulk_update would write a CASE of a thousand branches for each column, and its bulk_create takes four times as long.
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
    SELECT username, password, false, {_WRITTEN_COLUMNS}
      FROM unnest(%s::text[], %s::text[], {_ARRAYS}) AS row (username, password, {_WRITTEN_COLUMNS})
    RETURNING username, id
"""
_JOIN = """
    INSERT INTO accounts_user_groups (user_id, group_id)
    SELECT * FROM unnest(%s::bigint[], %s::integer[]) ON CONFLICT DO NOTHING
"""
_INVITE = """
    INSERT INTO accounts_mail (kind, user_id, address, typed) SELECT %s, account, %s, '' FROM unnest(%s::bigint[]) AS account
"""


class NotAsShown(Exception):
    """The list would do something else than what was confirmed."""


def save_accounts(
    checked: Checked,
    wishes: Wishes,
    *,
    is_dry_run: bool,
    is_quiet: bool,
    is_confirmed: Callable[[ImportPlan], bool] = lambda planned: True,
) -> ImportPlan:
    """What was done, with the rights of the role that was entered. A dry run does the same work, and takes it back.

    `is_confirmed` is asked while the accounts are locked. Raises CannotImport with every problem of the list, and NotAsShown.
    """
    with transaction.atomic(), rolled_back_if(is_dry_run):
        planned = plan(checked, wishes)
        if not (planned.problems or is_confirmed(planned)):
            raise NotAsShown
        problems = [*checked.problems, *planned.problems] or _write_accounts(
            planned.steps, wishes.notify_to, is_quiet=is_quiet
        )
        if problems:
            raise CannotImport(failure(problems))
    return planned


def _write_accounts(steps: list[ImportStep], notify_to: str, *, is_quiet: bool) -> list[Problem]:
    """What the database refused. It is asked again once the other rows are in: a manager may go when another has come.

    Having found more problems than are told, it stops.
    """
    from tqdm import tqdm

    waiting = steps
    while True:
        refused: dict[int, Problem] = {}
        with tqdm(total=len(waiting), desc="Saving", unit=" rows", disable=is_quiet) as bar:
            for batch in _batches(waiting):
                refused |= {problem.line: problem for problem in _refused(batch, notify_to)}
                bar.update(len(batch))
                if len(refused) > MOST_PROBLEMS:
                    return list(refused.values())
        if not refused or len(refused) == len(waiting):
            return list(refused.values())
        waiting = [step for step in waiting if step.line in refused]


def _batches(steps: list[ImportStep]) -> Iterator[list[ImportStep]]:
    for start in range(0, len(steps), MAX_ACCOUNTS_PER_STATEMENT):
        yield steps[start : start + MAX_ACCOUNTS_PER_STATEMENT]


def _refused(steps: list[ImportStep], notify_to: str) -> Iterator[Problem]:
    """Writes these rows; where the database refuses, the halves one by one, down to the rows that it doesn't take."""
    try:
        with transaction.atomic():
            _write_at_once(steps, notify_to)
        return
    except DatabaseError as error:
        refusal = refusal_of(error)
        if refusal is None or refusal.status not in (400, 409):
            raise
    if len(steps) == 1:
        yield Problem(steps[0].line, refusal.sentence)
        return
    middle = len(steps) // 2
    yield from _refused(steps[:middle], notify_to)
    yield from _refused(steps[middle:], notify_to)


def _write_at_once(steps: list[ImportStep], notify_to: str) -> None:
    """A statement for each kind of row, however many there are."""
    new = [step for step in steps if step.pk is None]
    changed = [step for step in steps if step.pk is not None and step.changes]
    with connection.cursor() as cursor:
        keys = _insert(cursor, new)
        keys |= {step.username: step.pk for step in steps if step.pk is not None}
        if changed:
            cursor.execute(_UPDATE, [[step.pk for step in changed], *_values(changed)])
        if left := [key for step in steps for key in step.left]:
            Membership.objects.filter(pk__in=left).delete()
        if joined := [(keys[step.username], group) for step in steps for group in step.joined]:
            cursor.execute(_JOIN, [list(column) for column in zip(*joined, strict=True)])
        if invited := [keys[step.username] for step in steps if step.is_invited]:
            cursor.execute(_INVITE, [Mail.Kind.INVITATION.value, notify_to, invited])


def _insert(cursor: Any, new: list[ImportStep]) -> dict[str, int]:
    """The keys of the new accounts by their names."""
    if not new:
        return {}
    # As Django marks that no password fits; its own way to draw forty letters takes twenty times as long.
    unusable = [UNUSABLE_PASSWORD_PREFIX + secrets.token_urlsafe(30) for _ in new]
    cursor.execute(_INSERT, [[step.username for step in new], unusable, *_values(new)])
    return dict(cursor.fetchall())


def _values(steps: list[ImportStep]) -> list[list[Any]]:
    """Of each column, in the order of FIELDS; what a list says nothing of is the field's default."""
    return [[step.values.get(name, _DEFAULTS[name]) for step in steps] for name in ACCOUNT_FIELDS]
