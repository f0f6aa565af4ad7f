"""The trail as tests ask it, and ways for rows to get there."""

from typing import Any

from django.contrib.admin.models import LogEntry

from access.database import acting_as, because
from access.policy import Role
from audit.models import Entry


def entries(row: Any, operation: str = "") -> list[Entry]:
    """Oldest first."""
    with acting_as(Role.SUPERUSER):
        rows = Entry.objects.about(row).order_by("id")
        return list(rows.filter(operation=operation) if operation else rows)


def last(row: Any, operation: str = "") -> Entry:
    return entries(row, operation)[-1]


def delete(row: Any) -> Entry:
    """Delete it; the entry that tells of it."""
    with acting_as(Role.SUPERUSER):
        type(row).objects.filter(pk=row.pk).delete()
    return last(row, "delete")


def change(row: Any, **fields: Any) -> Entry:
    """Change it; the entry that tells of it."""
    with because("As the test wants it"), acting_as(Role.SUPERUSER):
        type(row).objects.filter(pk=row.pk).update(**fields)
    return last(row, "update")


def stored(row: Any) -> dict[str, Any] | None:
    """Its values, without what the database writes by itself; None where it isn't there."""
    with acting_as(Role.SUPERUSER):
        values: dict[str, Any] | None = type(row).objects.filter(pk=row.pk).values().first()
    if values:
        del values["updated_at"], values["search"]
    return values


def logged(row: Any) -> str:
    """The last message about it in the log of the admin site."""
    with acting_as(Role.SUPERUSER):
        return LogEntry.objects.filter(object_id=str(row.pk), content_type__model=row._meta.model_name)[
            0
        ].get_change_message()
