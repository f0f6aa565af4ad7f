"""Functions that switch to the caller's PostgreSQL role for one transaction, like SET LOCAL ROLE (ADR 1).

The server connects as the login role `eecrm_app`, which has only the rights that the login of a user needs. Each role
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
    """Origin of a write, which the audit trail records. `channel` is api, admin, command or worker."""

    channel: str = "command"
    request_id: str = ""  # made by the server
    caller_request_id: str = ""  # chosen by the caller, so not unique
    reason: str = ""


_COMMAND = Origin()  # used outside of requests and of the worker
origin: ContextVar[Origin] = ContextVar("origin", default=_COMMAND)

# The same statement sets the role and the origin, so that no write under the role lacks its origin.
ORIGIN_SETTINGS = ", ".join(f"set_config('eecrm.{name}', %s, true)" for name in Origin._fields)
_ENTER = f"SELECT set_config('role', %s, true), set_config('eecrm.user_id', %s, true), {ORIGIN_SETTINGS}"


def database_role(role: str) -> str:
    return ROLE_PREFIX + role


def enter(role: str, *, user_id: int | None = None) -> None:
    """Switches to the PostgreSQL role of `role` until the transaction ends. `user_id` is the account that acts.

    Raises TransactionManagementError outside a transaction, because the role would end with the statement there.
    """
    _set(database_role(Role(role).value), str(user_id or ""))


def leave(*, user_id: int | None = None) -> None:
    """Switches back to the login role `eecrm_app` until the transaction ends.

    `user_id` is the account that acts, which the audit trail records.
    """
    _set("none", str(user_id or ""))


def _set(role: str, user_id: str) -> None:
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A database role is entered for a transaction; open one first.")
    with connection.cursor() as cursor:
        cursor.execute(_ENTER, [role, user_id, *origin.get()])


@contextmanager
def as_login_role() -> Iterator[None]:
    """Runs its block as the login role `eecrm_app`, the only one that may read passwords and second factors."""
    if not connection.in_atomic_block:
        yield  # without a transaction the connection has the login role anyway
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('role'), current_setting('eecrm.user_id', true)")
        role, user_id = cursor.fetchone()
    _set("none", user_id or "")
    yield
    _set(role, user_id or "")


@contextmanager
def acting_as(role: str, *, user_id: int | None = None) -> Iterator[None]:
    """Runs a block of a command in one transaction with the rights of this role. An error rolls all of it back."""
    with transaction.atomic():
        enter(role, user_id=user_id)
        yield
        leave()


@contextmanager
def rolled_back_if(is_dry_run: bool) -> Iterator[None]:
    """Runs its block, and in a dry run rolls it back, so that a dry run meets the same constraints as a real run.

    Call it inside a transaction.
    """
    if not is_dry_run:
        yield
        return
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def acting_as_login_role() -> Iterator[None]:
    """Runs a block of the worker or of a command in one transaction as the login role, with no account that acts."""
    with transaction.atomic():
        leave()
        yield


def give_reason(reason: str) -> None:
    """Sets the change reason that the audit trail records for the rest of this request."""
    if not reason and not origin.get().reason:
        return  # the statement that switched the role has set an empty reason already
    origin.set(origin.get()._replace(reason=reason))
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('eecrm.reason', %s, true)", [reason])


@contextmanager
def because(reason: str) -> Iterator[None]:
    """Sets the change reason of all writes in a block of a command, also if the block switches the role."""
    with _with_origin(origin.get()._replace(reason=reason)):
        yield


@contextmanager
def acting_through(channel: str, request_id: str = "", caller_request_id: str = "") -> Iterator[None]:
    """Sets the channel and the request ids that the audit trail records for all writes in a block."""
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
