"""PostgreSQL views for reports. Each view shows the `report_fields` of a model, and hides personal data with stars.

The PostgreSQL role `eecrm_report` can read these views and nothing else (ADR 26). A view has the name of its table, in
the schema `report`. The views belong to the migrator role, so row security hides no row from them.

Migrations drop the views because PostgreSQL refuses to change a column that a view uses. `sync_database` creates the
views again.
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
        """Returns a hash of our definition of the view and of the query that PostgreSQL stores.

        The view's COMMENT keeps this hash. A different hash later shows that the definition or the stored query has
        changed. The two texts can't be compared with each other, because PostgreSQL rewrites a query, differently in
        each version.
        """
        return hashlib.sha256(f"{self.create()}\n{stored}".encode()).hexdigest()


def wanted_views() -> dict[str, ReportView]:
    """Maps the name of each report view to the view, for all models with `report_fields`."""
    views = (_view_of(model) for model in apps.get_models() if hasattr(model, "report_fields"))
    return {view.name: view for view in views}


def _view_of(model: type[Model]) -> ReportView:
    table = model._meta.db_table
    columns = ", ".join(name if sql == name else f"{sql} AS {name}" for name, sql in _view_columns(model))
    return ReportView(table.rpartition('"."')[2].strip('"'), f"SELECT {columns} FROM {table}")


def _view_columns(model: Any) -> Iterator[tuple[str, str]]:
    """Yields name and SQL expression of each column in the report view of `model`."""
    masks = personal(model)
    for name in model.report_fields:
        column = str(model._meta.get_field(name).column)
        yield column, masks[name].sql(column) if name in masks else column
    yield from getattr(model, "report_columns", {}).items()


def _stored_views() -> dict[str, tuple[str, str | None]]:
    """Maps the name of each report view in the database to (stored query, comment)."""
    with connection.cursor() as cursor:
        cursor.execute(_VIEWS)
        return {name: (query, note) for name, query, note in cursor.fetchall()}


def view_differences() -> list[str]:
    """Returns the SQL statements that make the report views match the models.

    Call `stamp_views` after running the statements.
    """
    wanted, stored = wanted_views(), _stored_views()
    unchanged = {
        name for name, (query, note) in stored.items() if (view := wanted.get(name)) and view.stamp(query) == note
    }
    return [
        *(f"DROP VIEW {SCHEMA}.{name}" for name in sorted(stored.keys() - unchanged)),
        *(wanted[name].create() for name in sorted(wanted.keys() - unchanged)),
    ]


def stamp_views() -> None:
    """Stores the hash of each new report view in the view's COMMENT."""
    wanted = wanted_views()
    with connection.cursor() as cursor:
        for name, (query, note) in _stored_views().items():
            if (stamp := wanted[name].stamp(query)) != note:
                cursor.execute(f"COMMENT ON VIEW {SCHEMA}.{name} IS '{stamp}'")


def drop_before(plan: Any, **_: Any) -> None:
    """Drops the report views before migrations run (signal `pre_migrate`).

    PostgreSQL can't change a column while a view uses it.
    """
    if not plan:
        return
    with connection.cursor() as cursor:
        for name in _stored_views():
            cursor.execute(f"DROP VIEW {SCHEMA}.{name}")
