"""The caller's role in PostgreSQL: entered for one transaction, gone with it.

`eecrm_app` by itself may only log somebody in. Each role of the policy table is a group role without login; the
statement that authenticates a request enters it (`accounts.login.authentication`), commands and the admin use the functions here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction

from access.policy import Role

ROLE_PREFIX = "eecrm_"


class Origin(NamedTuple):
    """Where a write comes from, as the trail tells it: `channel` is api, admin, command or worker."""

    channel: str = "command"
    request_id: str = ""  # made by the server
    caller_request_id: str = ""  # chosen by the caller: anything, and anybody's
    reason: str = ""


_COMMAND = Origin()  # whatever isn't a request
origin: ContextVar[Origin] = ContextVar("origin", default=_COMMAND)

# Told together with the role, in the same statement: what is written in between has no other.
ORIGIN_SETTINGS = ", ".join(f"set_config('eecrm.{name}', %s, true)" for name in Origin._fields)
_ENTER = f"SELECT set_config('role', %s, true), set_config('eecrm.user_id', %s, true), {ORIGIN_SETTINGS}"


def database_role(role: str) -> str:
    return ROLE_PREFIX + role


def enter(role: str, *, user_id: int | None = None) -> None:
    """Act as this role (and account) until the transaction ends. Outside a transaction it would end at once: refused."""
    _set(database_role(Role(role).value), str(user_id or ""))


def leave(*, user_id: int | None = None) -> None:
    """Be the login role (again), until the transaction ends. `user_id` is whoever logs in, or minds their own account."""
    _set("none", str(user_id or ""))


def _set(role: str, user_id: str) -> None:
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A database role is entered for a transaction; open one first.")
    with connection.cursor() as cursor:
        cursor.execute(_ENTER, [role, user_id, *origin.get()])


@contextmanager
def as_login_role() -> Iterator[None]:
    """The login role for a moment, which alone reads passwords and second factors; then whoever was entered before."""
    if not connection.in_atomic_block:
        yield  # nobody is entered
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('role'), current_setting('eecrm.user_id', true)")
        role, user_id = cursor.fetchone()
    _set("none", user_id or "")
    yield
    _set(role, user_id or "")


@contextmanager
def acting_as(role: str, *, user_id: int | None = None) -> Iterator[None]:
    """One transaction in which a command acts with this role's rights. An error rolls back work and role alike."""
    with transaction.atomic():
        enter(role, user_id=user_id)
        yield
        leave()


@contextmanager
def rolled_back_if(is_dry_run: bool) -> Iterator[None]:
    """Within a transaction: a dry run does the same work up to here, under the same constraints, and rolls it back."""
    if not is_dry_run:
        yield
        return
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def acting_as_login_role() -> Iterator[None]:
    """One transaction of whoever is nobody in particular: the worker."""
    with transaction.atomic():
        leave()
        yield


def give_reason(reason: str) -> None:
    """Why the rest of this request is done, as the trail tells it."""
    if not reason and not origin.get().reason:
        return  # PostgreSQL was told so together with the role
    origin.set(origin.get()._replace(reason=reason))
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('eecrm.reason', %s, true)", [reason])


@contextmanager
def because(reason: str) -> Iterator[None]:
    """Why a command does what it does in this block, for every role that it enters there."""
    with _telling(origin.get()._replace(reason=reason)):
        yield


@contextmanager
def acting_through(channel: str, request_id: str = "", caller_request_id: str = "") -> Iterator[None]:
    """What is written in this block comes through this channel, and in this request."""
    with _telling(Origin(channel, request_id, caller_request_id)):
        yield


@contextmanager
def _telling(told: Origin) -> Iterator[None]:
    before = origin.set(told)
    try:
        yield
    finally:
        origin.reset(before)


def refuse_privileged_role() -> None:
    """Stop a process that serves requests under a role for which grants and row security don't count."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = session_user")
        name, is_superuser, bypasses = cursor.fetchone()
    if is_superuser or bypasses:
        power = "a superuser" if is_superuser else "BYPASSRLS"
        raise ImproperlyConfigured(f"PG_USER {name} is {power}: serve requests as eecrm_app, which is neither.")
