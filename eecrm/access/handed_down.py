"""Model field for a column whose value PostgreSQL copies from the parent row (ADR 16), such as `sales_contact`."""

from typing import Any

from django.db import models


class HandedDownKey(models.ForeignKey):
    """Foreign key whose value PostgreSQL copies from the parent row.

    The INSERT statement returns the value, so Django needs no second query.
    """

    db_returning = True  # private API of Django, see docs/upgrading.md

    def __init__(self, to: Any, **options: Any) -> None:
        fixed = {"editable": False, "on_delete": models.DO_NOTHING, "related_name": "+"}
        super().__init__(to, **options | fixed | {"db_constraint": False, "db_index": False})

    def deconstruct(self) -> Any:
        """Describes the field to migrations as a plain ForeignKey, because the database column is an ordinary one."""
        name, _, arguments, options = super().deconstruct()
        return name, "django.db.models.ForeignKey", arguments, options
