"""Accounts into the database: all of them or none."""

from collections.abc import Iterator
from contextlib import suppress

from django.contrib.auth.hashers import make_password
from django.db import DatabaseError, connection, transaction

from access.refusals import refusal_of
from accounts.columns import FIELDS, Membership
from accounts.importing.checking import Checked
from accounts.importing.planning import Plan, Step, Wishes, plan
from accounts.models import Mail, User
from api.tables import CannotImport
from api.tables.problems import MOST_PROBLEMS, Problem, failure

ROWS_PER_STATEMENT = 1_000

# Django's bulk_update would write a CASE of a thousand branches for each column.
_UPDATE = f"""
    UPDATE accounts_user AS account SET {", ".join(f"{name} = row.{name}" for name in FIELDS)}
      FROM unnest(%s::bigint[], {", ".join("%s::boolean[]" if name == "is_active" else "%s::text[]" for name in FIELDS)})
           AS row (id, {", ".join(FIELDS)})
     WHERE account.id = row.id
"""


class _DryRun(Exception):
    """Rolls the work back."""


def save(checked: Checked, wishes: Wishes, *, is_dry_run: bool, is_quiet: bool) -> Plan:
    """What was done, with the rights of the role that was entered. A dry run does the same work, and takes it back.

    Raises CannotImport with every problem of the list.
    """
    with suppress(_DryRun), transaction.atomic():
        planned = plan(checked, wishes)
        problems = [*checked.problems, *planned.problems] or _write(planned.steps, wishes.notify_to, is_quiet=is_quiet)
        if problems:
            raise CannotImport(failure(problems))
        if is_dry_run:
            raise _DryRun
    return planned


def _write(steps: list[Step], notify_to: str, *, is_quiet: bool) -> list[Problem]:
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


def _batches(steps: list[Step]) -> Iterator[list[Step]]:
    for start in range(0, len(steps), ROWS_PER_STATEMENT):
        yield steps[start : start + ROWS_PER_STATEMENT]


def _refused(steps: list[Step], notify_to: str) -> Iterator[Problem]:
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


def _write_at_once(steps: list[Step], notify_to: str) -> None:
    """A statement for each kind of row, however many there are."""
    new = [step for step in steps if step.pk is None]
    users = [User(username=step.username, password=make_password(None), **step.values) for step in new]
    keys = {step.line: user.pk for step, user in zip(new, User.objects.bulk_create(users), strict=True)}
    keys |= {step.line: step.pk for step in steps if step.pk is not None}
    if changed := [step for step in steps if step.pk is not None and step.changes]:
        with connection.cursor() as cursor:
            columns = [[step.values[name] for step in changed] for name in FIELDS]
            cursor.execute(_UPDATE, [[step.pk for step in changed], *columns])
    if left := [key for step in steps for key in step.left]:
        Membership.objects.filter(pk__in=left).delete()
    joined = [Membership(user_id=keys[step.line], group_id=group) for step in steps for group in step.joined]
    Membership.objects.bulk_create(joined, ignore_conflicts=True)
    invited = [keys[step.line] for step in steps if step.is_invited]
    Mail.objects.bulk_create(Mail(kind=Mail.Kind.INVITATION, user_id=key, address=notify_to) for key in invited)
