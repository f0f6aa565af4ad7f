"""Columns that a trigger writes from the parent of a row (ADR 16)."""

from typing import Any

from django.db import models


class HandedDownKey(models.ForeignKey):
    """Foreign key that PostgreSQL copies from the parent. The INSERT returns it, so that nobody reads the row again."""

    db_returning = True  # private in Django: docs/upgrading.md

    def __init__(self, to: Any, **options: Any) -> None:
        fixed = {"editable": False, "on_delete": models.DO_NOTHING, "related_name": "+"}
        super().__init__(to, **options | fixed | {"db_constraint": False, "db_index": False})

    def deconstruct(self) -> Any:
        """In migrations it is a plain foreign key, as the table has it."""
        name, _, arguments, options = super().deconstruct()
        return name, "django.db.models.ForeignKey", arguments, options
