from django.apps import AppConfig

from access.database import database_role
from access.grants import Grant, on_functions, on_tables
from access.policy import COLUMNS


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = "Audit trail"

    def database_grants(self) -> set[Grant]:
        """Whoever sees a client, contract or event may know what happened to it; all of the trail is a matter of the policy."""
        everybody = tuple(database_role(role) for role in COLUMNS)
        grants = on_tables(everybody, "SELECT", '"audit"."visible_entry"')
        return grants | on_functions(everybody, "audit.sees(text,text)")
