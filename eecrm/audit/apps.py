from typing import TYPE_CHECKING

from django.apps import AppConfig

from access.database import database_role
from access.grants import LOGIN_ROLE, Grant, models_of, on_columns, on_functions, on_tables
from access.policy import CONTACT_RESOURCES, MATRIX_ROLES, Role, Scope, scope_of
from access.row_security import seen

if TYPE_CHECKING:
    from api.health import Check
    from api.jobs import Job

_CHANGES_ARGUMENTS = "xid8,bigint,xid8,bigint,integer"
_PROOF_FUNCTIONS = ("audit.history_proof()", "audit.history_holds(text)", "audit.end_of_changes()")


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = "Audit trail"

    def database_grants(self) -> set[Grant]:
        """Privileges on the trail, in addition to the policy's *trail* rows.

        A role that sees a client, contract or event may read the entries about it.
        Roles that list the whole trail also read its seals.
        The worker uses the login role, which may call the function that writes seals but can't write them itself.
        """
        from audit.models import PARTNER_FIELDS, WAS_MINE, Entry

        history, partner = seen("row_key", *models_of(*CONTACT_RESOURCES)), database_role(Role.EXTERNAL)
        insiders = tuple(database_role(role) for role in MATRIX_ROLES if role is not Role.EXTERNAL)
        grants = on_tables(insiders, "SELECT", '"audit"."entry"', rows=history)
        # A partner reads no entry from a time when the row wasn't theirs, and no column with internal information.
        grants |= on_columns(partner, "SELECT", Entry, *PARTNER_FIELDS, rows=f"{history} AND {WAS_MINE}")
        grants |= on_functions((partner,), "audit.was_mine(text,text,text,bigint,jsonb,jsonb)")
        readers = [database_role(role) for role in MATRIX_ROLES if scope_of("trail", "list", role) is Scope.ALL]
        grants |= on_tables(tuple(readers), "SELECT", '"audit"."seal"')
        grants |= on_functions((LOGIN_ROLE,), "audit.seal_closed(integer)") | on_functions(
            (LOGIN_ROLE,), "audit.unsealed()"
        )
        return grants | self._offline_copy_grants()

    @staticmethod
    def _offline_copy_grants() -> set[Grant]:
        """Privileges for offline copies (`audit.sync.views`).

        Roles that list all rows may read the whole change log. Partners may read the log of their own rows.
        Every role with offline copies may read the end of the log and its proof, because these reveal no row.
        """
        grants = set[Grant]()
        for role in MATRIX_ROLES:
            scope = scope_of("offline_copy", "retrieve", role)
            if scope is Scope.NONE:
                continue
            grants |= on_functions((database_role(role),), *_PROOF_FUNCTIONS)
            lists = {scope_of(resource, "list", role) for resource in CONTACT_RESOURCES} - {Scope.NONE}
            if lists | {scope} == {Scope.ALL}:
                grants |= on_functions((database_role(role),), f"audit.changes({_CHANGES_ARGUMENTS})")
            elif role is Role.EXTERNAL:  # `changes_of_mine` knows the rows of partners only
                grants |= on_functions((database_role(role),), f"audit.changes_of_mine({_CHANGES_ARGUMENTS})")
        return grants

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
