"""Views for reports: the columns that a model names as its `report_fields`, personal data masked as an auditor sees it.

`eecrm_report` reads these and nothing else. They are named like their tables, in a schema of their own, and belong to the
migrator, so that they show every row. A migration that changes a table drops them, since PostgreSQL refuses to change a
column that a view shows; `sync_access` makes them again.
"""

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.apps import apps
from django.db import connection
from django.db.models import Model

from access.database import ROLE_PREFIX
from access.masks import personal

REPORT_ROLE, SCHEMA = f"{ROLE_PREFIX}report", "report"

_VIEWS = f"""
    SELECT relname::text, pg_get_viewdef(oid), obj_description(oid, 'pg_class')
      FROM pg_class WHERE relnamespace = to_regnamespace('{SCHEMA}') AND relkind = 'v'
"""


class ReportView(NamedTuple):
    name: str
    query: str

    def create(self) -> str:
        return f"CREATE VIEW {SCHEMA}.{self.name} AS {self.query}"

    def stamp(self, stored: str) -> str:
        """Noted beside the view: PostgreSQL tells a query in its own words, which depend on its version."""
        return hashlib.sha256(f"{self.create()}\n{stored}".encode()).hexdigest()


def wanted_views() -> dict[str, ReportView]:
    """By name."""
    views = (_view_of(model) for model in apps.get_models() if hasattr(model, "report_fields"))
    return {view.name: view for view in views}


def _view_of(model: type[Model]) -> ReportView:
    table = model._meta.db_table
    columns = ", ".join(name if sql == name else f"{sql} AS {name}" for name, sql in _view_columns(model))
    return ReportView(table.rpartition('"."')[2].strip('"'), f"SELECT {columns} FROM {table}")


def _view_columns(model: Any) -> Iterator[tuple[str, str]]:
    """Each column of the view with its SQL."""
    masks = personal(model)
    for name in model.report_fields:
        column = str(model._meta.get_field(name).column)
        yield column, masks[name].sql(column) if name in masks else column
    yield from getattr(model, "report_columns", {}).items()


def _stored_views() -> dict[str, tuple[str, str | None]]:
    """Each view that is there, with its query and what is noted beside it."""
    with connection.cursor() as cursor:
        cursor.execute(_VIEWS)
        return {name: (query, note) for name, query, note in cursor.fetchall()}


def view_differences() -> list[str]:
    """The statements that make the views what the models say. `confirm` afterwards."""
    wanted, stored = wanted_views(), _stored_views()
    sound = {name for name, (query, note) in stored.items() if (view := wanted.get(name)) and view.stamp(query) == note}
    return [
        *(f"DROP VIEW {SCHEMA}.{name}" for name in sorted(stored.keys() - sound)),
        *(wanted[name].create() for name in sorted(wanted.keys() - sound)),
    ]


def stamp_views() -> None:
    """Note beside each new view what it was made from, and what PostgreSQL made of it."""
    wanted = wanted_views()
    with connection.cursor() as cursor:
        for name, (query, note) in _stored_views().items():
            if (stamp := wanted[name].stamp(query)) != note:
                cursor.execute(f"COMMENT ON VIEW {SCHEMA}.{name} IS '{stamp}'")


def drop_before(plan: Any, **_: Any) -> None:
    """Before tables change, no view may hold on to their columns (`pre_migrate`)."""
    if not plan:
        return
    with connection.cursor() as cursor:
        for name in _stored_views():
            cursor.execute(f"DROP VIEW {SCHEMA}.{name}")
