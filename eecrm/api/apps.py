from typing import TYPE_CHECKING

from django.apps import AppConfig

from access.database import database_role
from access.grants import LOGIN_ROLE, Grant, on_functions, on_tables
from access.policy import CONTACT_RESOURCES, MATRIX_ROLES, Scope, scope_of
from access.row_security import about_me

if TYPE_CHECKING:
    from api.jobs import Job


class ApiConfig(AppConfig):
    name = "api"

    def database_grants(self) -> set[Grant]:
        return self._of_limits() | self._of_repeats()

    def _of_limits(self) -> set[Grant]:
        """Every request is counted, before or after its caller's role; emptied buckets are swept up by the worker."""
        grants = on_functions((LOGIN_ROLE,), "take_limits(text[],integer[],integer[],double precision[])")
        return grants | on_tables((LOGIN_ROLE,), "SELECT DELETE", "api_limit")

    def _of_repeats(self) -> set[Grant]:
        """Who may create something keeps their own answers; the worker purges them, and can't read one."""
        table, mine = "api_idempotency", about_me("user_id")
        creators = tuple(
            database_role(role)
            for role in MATRIX_ROLES
            if any(scope_of(resource, "create", role) is not Scope.NONE for resource in CONTACT_RESOURCES)
        )
        grants = on_tables(creators, "SELECT INSERT", table, rows=mine)
        for column in ("request", "created_at", "row_id", "status", "headers", "body"):
            grants |= {Grant(role, "UPDATE", table, column, mine) for role in creators}
        read = {Grant(LOGIN_ROLE, "SELECT", table, column) for column in ("user_id", "key", "created_at")}
        return grants | read | on_tables((LOGIN_ROLE,), "DELETE", table)

    def background_jobs(self) -> "list[Job]":
        from api.jobs import Every
        from api.resources import idempotency

        return [Every(60 * 60, idempotency.sweep)]
