"""Functions that enter the caller's PostgreSQL role for one transaction (ADR 1).

The login role `eecrm_app` by itself may only log a user in. Each role of the policy table is a group role without
login. The statement that authenticates an API request enters it (`accounts.login.authentication`). Commands and the
admin site use the functions here.
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
    """Origin of a write, which the audit trail records. `channel` is api, admin, command or worker."""

    channel: str = "command"
    request_id: str = ""  # made by the server
    caller_request_id: str = ""  # chosen by the caller, so not unique
    reason: str = ""


_COMMAND = Origin()  # the default outside requests and the worker
origin: ContextVar[Origin] = ContextVar("origin", default=_COMMAND)

# Set in the same statement as the role, so that no write can happen under a role without its origin.
ORIGIN_SETTINGS = ", ".join(f"set_config('eecrm.{name}', %s, true)" for name in Origin._fields)
_ENTER = f"SELECT set_config('role', %s, true), set_config('eecrm.user_id', %s, true), {ORIGIN_SETTINGS}"


def database_role(role: str) -> str:
    return ROLE_PREFIX + role


def enter(role: str, *, user_id: int | None = None) -> None:
    """Enters this role (and account) until the transaction ends.

    Raises TransactionManagementError outside a transaction, where the role would end with the statement.
    """
    _set(database_role(Role(role).value), str(user_id or ""))


def leave(*, user_id: int | None = None) -> None:
    """Returns to the login role until the transaction ends.

    `user_id` is the account that acts; the audit trail names it.
    """
    _set("none", str(user_id or ""))


def _set(role: str, user_id: str) -> None:
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A database role is entered for a transaction; open one first.")
    with connection.cursor() as cursor:
        cursor.execute(_ENTER, [role, user_id, *origin.get()])


@contextmanager
def as_login_role() -> Iterator[None]:
    """Enters the login role for a block. Only that role reads passwords and second factors."""
    if not connection.in_atomic_block:
        yield  # outside a transaction no other role is entered
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('role'), current_setting('eecrm.user_id', true)")
        role, user_id = cursor.fetchone()
    _set("none", user_id or "")
    yield
    _set(role, user_id or "")


@contextmanager
def acting_as(role: str, *, user_id: int | None = None) -> Iterator[None]:
    """One transaction in which a command has the rights of this role. An error rolls back the changes and the role."""
    with transaction.atomic():
        enter(role, user_id=user_id)
        yield
        leave()


@contextmanager
def rolled_back_if(is_dry_run: bool) -> Iterator[None]:
    """Rolls its block back in a dry run. So a dry run meets the same constraints as a real run. Needs a transaction."""
    if not is_dry_run:
        yield
        return
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def acting_as_login_role() -> Iterator[None]:
    """One transaction under the login role without an account, for the worker and for commands."""
    with transaction.atomic():
        leave()
        yield


def give_reason(reason: str) -> None:
    """Sets the change reason that the audit trail records for the rest of this request."""
    if not reason and not origin.get().reason:
        return  # the statement that entered the role has set an empty reason
    origin.set(origin.get()._replace(reason=reason))
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('eecrm.reason', %s, true)", [reason])


@contextmanager
def because(reason: str) -> Iterator[None]:
    """Sets the change reason for a block of a command, under every role that it enters there."""
    with _with_origin(origin.get()._replace(reason=reason)):
        yield


@contextmanager
def acting_through(channel: str, request_id: str = "", caller_request_id: str = "") -> Iterator[None]:
    """Sets the channel and the request of all writes in this block."""
    with _with_origin(Origin(channel, request_id, caller_request_id)):
        yield


@contextmanager
def _with_origin(value: Origin) -> Iterator[None]:
    token = origin.set(value)
    try:
        yield
    finally:
        origin.reset(token)


def refuse_privileged_role() -> None:
    """Raises ImproperlyConfigured if the process serves requests as a role that bypasses grants or row security."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = session_user")
        name, is_superuser, bypasses = cursor.fetchone()
    if is_superuser or bypasses:
        power = "a superuser" if is_superuser else "BYPASSRLS"
        raise ImproperlyConfigured(f"PG_USER {name} is {power}: serve requests as eecrm_app, which is neither.")
