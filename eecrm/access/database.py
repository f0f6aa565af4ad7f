"""Functions that switch to the PostgreSQL role of the user for one transaction, like SET LOCAL ROLE (ADR 1).

The server connects as the login role `eecrm_app`, which has only the rights that it needs to log a user in. Each role
of the policy table is a PostgreSQL role without login, such as `eecrm_sales`. For an API request, the statement that
authenticates the user also switches the role (`accounts.login.authentication`). Commands and the admin site use the
functions here.
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
    """Origin of a write to the database, which the audit trail records. `channel` is api, admin, command or worker."""

    channel: str = "command"
    request_id: str = ""  # id that the server gives to an HTTP request
    caller_request_id: str = ""  # id that the API client has chosen for its HTTP request, so it isn't unique
    reason: str = ""


_COMMAND = Origin()  # origin of writes that neither an HTTP request nor the worker makes
origin: ContextVar[Origin] = ContextVar("origin", default=_COMMAND)

# One statement sets role and origin together, so that the role never writes without an origin.
ORIGIN_SETTINGS = ", ".join(f"set_config('eecrm.{name}', %s, true)" for name in Origin._fields)
_ENTER = f"SELECT set_config('role', %s, true), set_config('eecrm.user_id', %s, true), {ORIGIN_SETTINGS}"


def database_role(role: str) -> str:
    return ROLE_PREFIX + role


def enter(role: str, *, user_id: int | None = None) -> None:
    """Switches to the PostgreSQL role `eecrm_<role>` until the transaction ends. `user_id` is the account that acts.

    Raises TransactionManagementError outside a transaction, because the role would last for one statement only.
    """
    _set(database_role(Role(role).value), str(user_id or ""))


def leave(*, user_id: int | None = None) -> None:
    """Switches back to the login role `eecrm_app` until the transaction ends.

    The audit trail records `user_id`, the account that acts.
    """
    _set("none", str(user_id or ""))


def _set(role: str, user_id: str) -> None:
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A database role is entered for a transaction; open one first.")
    with connection.cursor() as cursor:
        cursor.execute(_ENTER, [role, user_id, *origin.get()])


@contextmanager
def as_login_role() -> Iterator[None]:
    """Context manager: runs its block as the login role `eecrm_app`.

    No other role may read passwords and second factors. After the block the previous role is set again.
    """
    if not connection.in_atomic_block:
        yield  # outside a transaction the connection has the login role already
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('role'), current_setting('eecrm.user_id', true)")
        role, user_id = cursor.fetchone()
    _set("none", user_id or "")
    yield
    _set(role, user_id or "")


@contextmanager
def acting_as(role: str, *, user_id: int | None = None) -> Iterator[None]:
    """Context manager: runs a block of a command in one transaction with the rights of `role`.

    An error rolls back the whole block.
    """
    with transaction.atomic():
        enter(role, user_id=user_id)
        yield
        leave()


@contextmanager
def rolled_back_if(is_dry_run: bool) -> Iterator[None]:
    """Context manager: runs its block, and rolls the block back at the end if `is_dry_run` is True.

    So a dry run meets the same constraints of the database as a real run. Use the context manager inside a transaction.
    """
    if not is_dry_run:
        yield
        return
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def acting_as_login_role() -> Iterator[None]:
    """Context manager: runs a block in one transaction as the login role `eecrm_app`, with no account that acts.

    The worker and commands use it.
    """
    with transaction.atomic():
        leave()
        yield


def give_reason(reason: str) -> None:
    """Sets the change reason, which the audit trail records with all further writes of this request."""
    if not reason and not origin.get().reason:
        return  # `enter` has set an empty reason already
    origin.set(origin.get()._replace(reason=reason))
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('eecrm.reason', %s, true)", [reason])


@contextmanager
def because(reason: str) -> Iterator[None]:
    """Context manager: sets the change reason for all writes in a block of a command.

    The reason stays set if the block switches to another PostgreSQL role.
    """
    with _with_origin(origin.get()._replace(reason=reason)):
        yield


@contextmanager
def acting_through(channel: str, request_id: str = "", caller_request_id: str = "") -> Iterator[None]:
    """Context manager: sets channel and request ids, which the audit trail records for all writes in its block."""
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
    """Raises ImproperlyConfigured if this process has a PostgreSQL role that bypasses grants or row security."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = session_user")
        name, is_superuser, bypasses = cursor.fetchone()
    if is_superuser or bypasses:
        power = "a superuser" if is_superuser else "BYPASSRLS"
        raise ImproperlyConfigured(f"PG_USER {name} is {power}: serve requests as eecrm_app, which is neither.")
