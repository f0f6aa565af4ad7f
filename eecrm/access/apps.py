from django.apps import AppConfig
from django.core.checks import register
from django.db.models.signals import pre_migrate


class AccessConfig(AppConfig):
    name = "access"

    def sql_functions(self) -> dict[str, str]:
        """Maps function name to SQL, for the PostgreSQL functions generated from the policy table and the state rules.

        For example `refuse` -> `CREATE OR REPLACE FUNCTION refuse …`.
        """
        from access.grants import policy_function  # imported late because it needs the loaded models
        from access.state_rules import refuse_function

        return {"policy_allows": policy_function(), "refuse": refuse_function()}

    def ready(self) -> None:
        from access.checks import (
            every_group_is_sound,
            every_view_is_known_to_the_policy,
            nothing_finer_is_wider_than_update,
        )
        from access.report_views import drop_before

        pre_migrate.connect(drop_before, sender=self)
        register(every_view_is_known_to_the_policy)
        register(every_group_is_sound)
        register(nothing_finer_is_wider_than_update)
