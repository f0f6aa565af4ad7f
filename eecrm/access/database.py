"""The caller's role in PostgreSQL: entered for one transaction, gone with it.

`eecrm_app` by itself may only log somebody in. Each role of the policy table is a group role without login; the
statement that authenticates a request enters it (`accounts.authentication`), commands and the admin use the functions here.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction

from access.policy import Role

ROLE_PREFIX = "eecrm_"

_ENTER = "SELECT set_config('role', %s, true), set_config('eecrm.user_id', %s, true)"


def database_role(role: str) -> str:
    return ROLE_PREFIX + role


def enter(role: str, *, user_id: int | None = None) -> None:
    """Act as this role (and account) until the transaction ends. Outside a transaction it would end at once: refused."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("A database role is entered for a transaction; open one first.")
    with connection.cursor() as cursor:
        cursor.execute(_ENTER, [database_role(Role(role).value), str(user_id or "")])


def leave() -> None:
    """Be the login role again, inside the same transaction."""
    with connection.cursor() as cursor:
        cursor.execute(_ENTER, ["none", ""])


@contextmanager
def as_login_role() -> Iterator[None]:
    """The login role for a moment, which alone reads passwords and second factors; then whoever was entered before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('role'), current_setting('eecrm.user_id', true)")
        role, user_id = cursor.fetchone()
    leave()
    yield
    with connection.cursor() as cursor:
        cursor.execute(_ENTER, [role, user_id or ""])


@contextmanager
def acting_as(role: str, *, user_id: int | None = None) -> Iterator[None]:
    """One transaction in which a command acts with this role's rights. An error rolls back work and role alike."""
    with transaction.atomic():
        enter(role, user_id=user_id)
        yield
        leave()


def refuse_privileged_role() -> None:
    """Stop a process that serves requests under a role for which grants and row security don't count."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = session_user")
        name, is_superuser, bypasses = cursor.fetchone()
    if is_superuser or bypasses:
        power = "a superuser" if is_superuser else "BYPASSRLS"
        raise ImproperlyConfigured(f"PG_USER {name} is {power}: serve requests as eecrm_app, which is neither.")
