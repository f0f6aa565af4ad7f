from django.apps import AppConfig
from django.core.checks import register


class AccessConfig(AppConfig):
    name = "access"

    def ready(self) -> None:
        from access.checks import (
            every_group_is_sound,
            every_view_is_known_to_the_policy,
            nothing_finer_is_wider_than_update,
        )

        register(every_view_is_known_to_the_policy)
        register(every_group_is_sound)
        register(nothing_finer_is_wider_than_update)
