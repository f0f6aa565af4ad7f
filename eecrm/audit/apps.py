from django.apps import AppConfig

from access.database import database_role
from access.grants import Grant, models_of, on_tables
from access.policy import COLUMNS, CONTACT_RESOURCES
from access.row_security import seen


class AuditConfig(AppConfig):
    name = "audit"

    def database_grants(self) -> set[Grant]:
        """Whoever sees a client, a contract or an event may read its history; all of the trail is the policy's matter."""
        roles = tuple(map(database_role, COLUMNS))
        history = seen("row_key", *models_of(*CONTACT_RESOURCES))
        return on_tables(roles, "SELECT", '"audit"."entry"', rows=history)
