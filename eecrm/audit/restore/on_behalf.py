"""Lets a command act with the rights of management.

The user of the command may choose a manager as the trail's actor.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from access import policy, reasons
from access.database import acting_as, because, rolled_back_if
from access.policy import Role, Scope
from access.refusals import refusals_as_command_errors


@contextmanager
def on_behalf_of(username: str, reason: str, *cells: tuple[str, str], is_dry_run: bool) -> Iterator[None]:
    """Runs a block in one transaction as the account `username`. The trail records `reason` with each write.

    Without a username, the block has the role management, and its trail entries name no account.
    `cells` are pairs of resource and action. The account's role must have the right to each action on all rows.
    A dry run does the same work and rolls it back.
    Raises CommandError if the reason or the account isn't acceptable, or if the database refuses a write.
    """
    reason = reasons.one_line(reason)
    if not reason:
        raise CommandError("Say why: --reason is a line of text.")
    if fault := reasons.fault_of(reason):
        raise CommandError(fault)
    role, key = _person_named(username, cells) if username else (Role.MANAGEMENT, None)
    with refusals_as_command_errors(), because(reason), acting_as(role, user_id=key), rolled_back_if(is_dry_run):
        yield


def _person_named(username: str, cells: tuple[tuple[str, str], ...]) -> tuple[str, int]:
    users: Any = get_user_model()._default_manager
    with acting_as(Role.MANAGEMENT):
        try:
            user = users.get_by_natural_key(username)
        except users.model.DoesNotExist:
            raise CommandError(f"There is no account {username}.") from None
        refused = [rule for cell in cells if (rule := policy.rule(user, *cell)).scope is not Scope.ALL]
    if not user.is_active:
        raise CommandError(f"{user} isn't active: name somebody who is with --as.")
    if refused:
        raise CommandError(f"--as {user}: {refused[0].sentence}")
    return user.effective_role, user.pk
