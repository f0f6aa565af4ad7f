from typing import TYPE_CHECKING

from django.apps import AppConfig

from access.database import database_role
from access.grants import LOGIN_ROLE, Grant, on_columns, on_functions, on_tables
from access.policy import MATRIX_ROLES, Role, Scope, scope_of
from access.row_security import seen

if TYPE_CHECKING:
    from api.health import Check
    from api.jobs import Job

_CHANGES_ARGUMENTS = "xid8,bigint,xid8,bigint,integer"
_PROOF_FUNCTIONS = ("audit.history_proof()", "audit.history_holds(text)", "audit.end_of_changes()")


def _readable_entries(role: Role) -> str:
    """Returns the SQL condition for trail entries about rows that the role may see.

    The condition uses only tables that the role may read. Otherwise PostgreSQL would refuse every query of the role.
    """
    from api.resources.registry import model_of, recorded

    readable = {name: scope_of(name, "retrieve", role) is not Scope.NONE for name in recorded()}
    return seen("row_key", *(model_of(viewset) for name, viewset in recorded().items() if readable[name]))


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = "Audit trail"

    def database_grants(self) -> set[Grant]:
        """Returns privileges on the audit trail, in addition to those from the row *trail* of the policy table.

        A role that may see a row of a resource may read the entries about this row.
        Roles that may list the whole trail may also read its seals.
        The worker uses the login role `eecrm_app`, which may call the function that seals, but may not write seals.
        """
        from audit.models import PARTNER_FIELDS, WAS_MINE, Entry

        grants, partner = set[Grant](), database_role(Role.EXTERNAL)
        for role in MATRIX_ROLES:
            if role is not Role.EXTERNAL:
                grants |= on_tables((database_role(role),), "SELECT", '"audit"."entry"', rows=_readable_entries(role))
        # A partner may read only entries from the time when the row was the partner's, and only some columns.
        rows = f"{_readable_entries(Role.EXTERNAL)} AND {WAS_MINE}"
        grants |= on_columns(partner, "SELECT", Entry, *PARTNER_FIELDS, rows=rows)
        grants |= on_functions((partner,), "audit.was_mine(text,text,text,bigint,jsonb,jsonb)")
        readers = [database_role(role) for role in MATRIX_ROLES if scope_of("trail", "list", role) is Scope.ALL]
        grants |= on_tables(tuple(readers), "SELECT", '"audit"."seal"')
        grants |= on_functions((LOGIN_ROLE,), "audit.seal_closed(integer)") | on_functions(
            (LOGIN_ROLE,), "audit.unsealed()"
        )
        return grants | self._offline_copy_grants()

    @staticmethod
    def _offline_copy_grants() -> set[Grant]:
        """Returns the privileges that API clients need for offline copies (`audit.sync.views`).

        Roles that may list all rows may read the whole change log. Partners may read the log of their own rows.
        Every role with offline copies may read the log's last position, and the proof that a cursor belongs to the log.
        Neither reveals a row.
        """
        from api.resources.registry import copied

        grants = set[Grant]()
        for role in MATRIX_ROLES:
            scope = scope_of("offline_copy", "retrieve", role)
            if scope is Scope.NONE:
                continue
            grants |= on_functions((database_role(role),), *_PROOF_FUNCTIONS)
            lists = {scope_of(resource, "list", role) for resource in copied()} - {Scope.NONE}
            if lists | {scope} == {Scope.ALL}:
                grants |= on_functions((database_role(role),), f"audit.changes({_CHANGES_ARGUMENTS})")
            elif role is Role.EXTERNAL:  # the SQL function `changes_of_mine` finds only the rows of partners
                grants |= on_functions((database_role(role),), f"audit.changes_of_mine({_CHANGES_ARGUMENTS})")
        return grants

    def sql_functions(self) -> dict[str, str]:
        from audit.sync import tables

        return tables.sql_functions()

    def background_jobs(self) -> "list[Job]":
        from api.jobs import Every
        from audit.trail import seals

        return [
            Every(seals.SEAL_INTERVAL_SECONDS, seals.seal_entries, is_urgent=True),
            Every(60, seals.warn_of_unsealed, is_urgent=True),
        ]

    def readiness_checks(self) -> "dict[str, Check]":
        from audit.trail import seals

        return {"seals": seals.late}
