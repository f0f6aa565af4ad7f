from typing import TYPE_CHECKING

from django.apps import AppConfig

from access.database import database_role
from access.grants import LOGIN_ROLE, Grant, on_columns, on_functions, on_tables
from access.policy import MATRIX_ROLES, Role, Scope, scope_of
from access.row_security import seen

if TYPE_CHECKING:
    from api.health import Check
    from api.jobs import Job

_POSITIONS = "xid8,bigint,xid8,bigint,integer"
_PROOFS = ("audit.history_proof()", "audit.history_holds(text)", "audit.end_of_changes()")


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = "Audit trail"

    def database_grants(self) -> set[Grant]:
        """Whoever sees a row of a resource may read its history; all of the trail is the policy's matter.

        Whoever reads the trail reads its seals. The worker has them made, and can make none itself.
        """
        from api.resources.registry import model_of, recorded
        from audit.models import PARTNER_FIELDS, WAS_MINE, Entry

        history, partner = seen("row_key", *map(model_of, recorded().values())), database_role(Role.EXTERNAL)
        insiders = tuple(database_role(role) for role in MATRIX_ROLES if role is not Role.EXTERNAL)
        grants = on_tables(insiders, "SELECT", '"audit"."entry"', rows=history)
        # A partner learns nothing of when the row wasn't theirs, and nothing of what is said among ourselves.
        grants |= on_columns(partner, "SELECT", Entry, *PARTNER_FIELDS, rows=f"{history} AND {WAS_MINE}")
        grants |= on_functions((partner,), "audit.was_mine(text,text,text,bigint,jsonb,jsonb)")
        readers = [database_role(role) for role in MATRIX_ROLES if scope_of("trail", "list", role) is Scope.ALL]
        grants |= on_tables(tuple(readers), "SELECT", '"audit"."seal"')
        grants |= on_functions((LOGIN_ROLE,), "audit.seal_closed(integer)") | on_functions(
            (LOGIN_ROLE,), "audit.unsealed()"
        )
        return grants | self._of_copies()

    @staticmethod
    def _of_copies() -> set[Grant]:
        """The log of all rows is for roles that list all of them; who lists their own is told of those (`audit.sync.views`). Where
        the log ends, and a digest that proves it, tell of no row."""
        from api.resources.registry import copied

        grants = set[Grant]()
        for role in MATRIX_ROLES:
            scope = scope_of("offline_copy", "retrieve", role)
            if scope is Scope.NONE:
                continue
            grants |= on_functions((database_role(role),), *_PROOFS)
            lists = {scope_of(resource, "list", role) for resource in copied()} - {Scope.NONE}
            if lists | {scope} == {Scope.ALL}:
                grants |= on_functions((database_role(role),), f"audit.changes({_POSITIONS})")
            elif role is Role.EXTERNAL:  # `changes_of_mine` knows what theirs is, and nobody else's
                grants |= on_functions((database_role(role),), f"audit.changes_of_mine({_POSITIONS})")
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
