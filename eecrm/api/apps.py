from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import register

from access.database import database_role
from access.grants import LOGIN_ROLE, Grant, on_functions, on_tables
from access.policy import MATRIX_ROLES, Scope, scope_of
from access.row_security import about_me

if TYPE_CHECKING:
    from api.jobs import Job


class ApiConfig(AppConfig):
    name = "api"

    def ready(self) -> None:
        from api.resources.checks import every_resource_is_complete

        register(every_resource_is_complete)

    def sql_functions(self) -> dict[str, str]:
        """Maps function name to SQL, for the PostgreSQL functions that fold text (`api.folding`)."""
        from api.folding import functions

        return functions()

    def database_grants(self) -> set[Grant]:
        return self._grants_for_limits() | self._grants_for_idempotency() | self._grants_for_search()

    def _grants_for_search(self) -> set[Grant]:
        """Returns the grants (PostgreSQL privileges) on the functions that fold the text of a search or a filter."""
        roles = tuple(database_role(role) for role in MATRIX_ROLES)
        return on_functions(
            roles, "letters_of(text)", "searched_letters_of(text)", "order_letters(text)", "tokens_of(text)",
            "words_of_token(text)", "phone_query(text)", "search_query(text,boolean)",
        )  # fmt: skip

    def _grants_for_limits(self) -> set[Grant]:
        """Returns the grants (PostgreSQL privileges) for rate limits.

        The login role counts requests. The worker uses the same role to delete the counters that nobody uses any more.
        """
        grants = on_functions((LOGIN_ROLE,), "take_limits(text[],integer[],integer[],double precision[])")
        return grants | on_tables((LOGIN_ROLE,), "SELECT DELETE", "api_limit")

    def _grants_for_idempotency(self) -> set[Grant]:
        """Returns the grants (PostgreSQL privileges) for the table of idempotency keys.

        Database roles that may create rows can read and write only the keys of their own account.
        The worker deletes old keys as the login role. The login role can't read the stored answers.
        """
        table, own_rows = "api_idempotency", about_me("user_id")
        creators = tuple(
            database_role(role)
            for role in MATRIX_ROLES
            if any(scope_of(resource, "create", role) is not Scope.NONE for resource in settings.RESOURCES)
        )
        grants = on_tables(creators, "SELECT INSERT", table, rows=own_rows)
        for column in ("request", "created_at", "row_id", "status", "headers", "body"):
            grants |= {Grant(role, "UPDATE", table, column, own_rows) for role in creators}
        readable = {Grant(LOGIN_ROLE, "SELECT", table, column) for column in ("user_id", "key", "created_at")}
        return grants | readable | on_tables((LOGIN_ROLE,), "DELETE", table)

    def background_jobs(self) -> "list[Job]":
        from api.jobs import Every
        from api.resources import idempotency

        return [Every(60 * 60, idempotency.sweep)]
