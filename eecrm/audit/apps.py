from typing import TYPE_CHECKING

from django.apps import AppConfig

from access.database import database_role
from access.grants import LOGIN_ROLE, Grant, on_functions, on_tables
from access.policy import COLUMNS, Scope, scope_of

if TYPE_CHECKING:
    from api.jobs import Job


class AuditConfig(AppConfig):
    name = "audit"

    def database_grants(self) -> set[Grant]:
        """Whoever reads the trail reads its seals. The worker has them made, and can make none itself."""
        readers = [database_role(role) for role in COLUMNS if scope_of("trail", "list", role) is Scope.ALL]
        grants = on_tables(tuple(readers), "SELECT", '"audit"."seal"')
        return grants | on_functions((LOGIN_ROLE,), "audit.seal_closed(integer)")

    def background_jobs(self) -> "list[Job]":
        from api.jobs import Every
        from audit import sealing

        return [Every(sealing.EVERY, sealing.seal)]
