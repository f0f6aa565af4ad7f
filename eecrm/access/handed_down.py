"""Model field for columns whose value PostgreSQL copies from the row's parent (ADR 16)."""

from typing import Any

from django.db import models


class HandedDownKey(models.ForeignKey):
    """Foreign key whose value PostgreSQL copies from the parent row. The INSERT returns it, without a second query."""

    db_returning = True  # private API of Django, listed in docs/upgrading.md

    def __init__(self, to: Any, **options: Any) -> None:
        fixed = {"editable": False, "on_delete": models.DO_NOTHING, "related_name": "+"}
        super().__init__(to, **options | fixed | {"db_constraint": False, "db_index": False})

    def deconstruct(self) -> Any:
        """Describes the field to migrations as a plain ForeignKey, because its column is an ordinary one."""
        name, _, arguments, options = super().deconstruct()
        return name, "django.db.models.ForeignKey", arguments, options
