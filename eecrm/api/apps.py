from django.apps import AppConfig

from access.database import database_role
from access.grants import LOGIN_ROLE, Grant, on_functions, on_tables
from access.policy import COLUMNS


class ApiConfig(AppConfig):
    name = "api"

    def database_grants(self) -> set[Grant]:
        """Every request is counted, whoever's it is; emptied buckets are swept up by the worker."""
        everybody = (LOGIN_ROLE, *(database_role(role) for role in COLUMNS))
        grants = on_functions(everybody, "take_limits(text[],integer[],integer[],double precision[])")
        return grants | on_tables((LOGIN_ROLE,), "SELECT DELETE", "api_limit")
