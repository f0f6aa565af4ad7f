from django.apps import AppConfig

from access.database import database_role
from access.grants import Grant, on_tables
from access.policy import Role


class EventsConfig(AppConfig):
    name = "events"

    def database_grants(self) -> set[Grant]:
        """Returns privileges for the command `load_demo`, in addition to the privileges of the policy table.

        The command needs them because it takes primary keys from sequences before it stores rows.
        """
        return on_tables(
            (database_role(Role.SUPERUSER),), "USAGE", "clients_client_id_seq", "contracts_contract_id_seq"
        )
