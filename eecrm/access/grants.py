"""PostgreSQL privileges compiled from the policy table: which role may run which command on which table.

The migrator role writes the privileges after each `migrate` (`sync_database`). Privileges on the tables of resources
follow the policy table. Other privileges, for example to log in or to keep an admin session, are declared by the
table's app as `database_grants` of its AppConfig.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.apps import apps
from django.db import connection
from django.db.models import Model

from access import policy, report_views, row_security, table_rules
from access.database import database_role
from access.policy import FINER_THAN_UPDATE, MATRIX_ROLES, STATE_ACTIONS, TABLE, Scope
from access.querysets import resource_of
from access.report_views import REPORT_ROLE, wanted_views
from access.row_security import BACKUP_ROLE, EVERY_ROW, NO_ROW, TABLES_QUERY, RowPolicy, owned

LOGIN_ROLE, MIGRATOR_ROLE, OWNER_ROLE = "eecrm_app", "eecrm_migrator", "eecrm_owner"

# Maps each action of the policy table to the SQL command that it needs, for example `sign` -> `UPDATE`.
_COMMANDS = {
    "list": "SELECT", "retrieve": "SELECT",
    "create": "INSERT", "restore": "INSERT",
    "update": "UPDATE", "assign": "UPDATE", "sign": "UPDATE", "amend": "UPDATE", "reopen": "UPDATE",
    "delete": "DELETE",
    "set_password": "UPDATE",
}  # fmt: skip


class Grant(NamedTuple):
    """One privilege of a PostgreSQL role. `column` is empty if the privilege covers the whole table.

    For a privilege on a function, `table` is `FUNCTION name(types)`. `rows` is an SQL condition: the role may use the
    privilege only on rows that meet it (`access.row_security`).
    """

    role: str
    command: str
    table: str
    column: str = ""
    rows: str = EVERY_ROW

    def __str__(self) -> str:
        columns = f" ({self.column})" if self.column else ""
        return f"{self.command}{columns} ON {self.table} TO {self.role}"


def on_columns(role: str, command: str, model: type[Model], *names: str, rows: str = EVERY_ROW) -> set[Grant]:
    table = model._meta.db_table
    columns = {field.name: str(field.column) for field in model._meta.concrete_fields}
    return {Grant(role, command, table, columns[name], rows) for name in names}


def on_tables(roles: tuple[str, ...], commands: str, *tables: str, rows: str = EVERY_ROW) -> set[Grant]:
    return {Grant(role, command, table, "", rows) for role in roles for command in commands.split() for table in tables}


def on_functions(roles: tuple[str, ...], *functions: str) -> set[Grant]:
    return {Grant(role, "EXECUTE", f"FUNCTION {function}") for role in roles for function in functions}


def _resource_models() -> Iterator[tuple[str, type[Model]]]:
    for model in apps.get_models():
        if resource := resource_of(model):
            yield resource, model


def _secret_fields(model: type[Model]) -> frozenset[str]:
    """Returns the secret fields of the model. Only the login role `eecrm_app` may read them.

    Other roles need the action *set_password* to write these fields, and can't read them.
    """
    return frozenset(getattr(model, "secret_fields", ()))


def _granted_columns(action: str, model: type[Model]) -> list[str]:
    """Returns the fields that an action may read or write. An empty list means all columns of the table.

    *update* leaves out secret fields, and fields that have an action of their own (`FINER_THAN_UPDATE`). It also leaves
    out primary keys, versions and timestamps, because triggers set them.
    """
    secret, command = _secret_fields(model), _COMMANDS[action]
    if action == "set_password":
        return sorted(secret)
    if command == "UPDATE":
        changes = FINER_THAN_UPDATE.get(resource_of(model), ())
        if own_fields := [change.field for change in changes if change.action == action]:
            return own_fields
        finer = {change.field for change in changes if change.to is None}
        editable = {field.name for field in model._meta.concrete_fields if field.editable and not field.primary_key}
        return sorted(editable - secret - finer)
    if secret and command == "SELECT":
        return [field.name for field in model._meta.concrete_fields if field.name not in secret]
    return []


def _own_rows(model: type[Model], role: str) -> str:
    """Returns the SQL condition for the rows that a user of this role owns (scope *own*).

    It selects the same rows as `PolicyQuerySet.owned_by`.
    """
    rows: Any = model._default_manager.all()
    lookup = rows.owners.get(role)
    return owned(model, lookup) if lookup else NO_ROW


def _resource_grants(resource: str, model: type[Model]) -> Iterator[Grant]:
    for listed, action, *_ in TABLE:
        if listed != resource or action not in _COMMANDS:
            continue
        for role in MATRIX_ROLES:
            scope = policy.scope_of(resource, action, role)
            if scope is Scope.NONE:
                continue
            rows = EVERY_ROW if scope is Scope.ALL else _own_rows(model, role)
            if columns := _granted_columns(action, model):
                yield from on_columns(database_role(role), _COMMANDS[action], model, *columns, rows=rows)
            else:
                yield Grant(database_role(role), _COMMANDS[action], model._meta.db_table, "", rows)


def _declared_grants() -> set[Grant]:
    """Returns the PostgreSQL privileges that the policy table, the apps and the reports declare.

    A privilege on some rows only has an SQL condition.
    """
    grants = {grant for resource, model in _resource_models() for grant in _resource_grants(resource, model)}
    for app in apps.get_app_configs():
        declared = getattr(app, "database_grants", None)
        grants |= declared() if declared else set()
    return grants | on_tables((REPORT_ROLE,), "SELECT", *(f"{report_views.SCHEMA}.{name}" for name in wanted_views()))


def wanted_grants() -> set[Grant]:
    """Returns all privileges that the roles should have, without their SQL conditions for rows.

    Row security policies enforce these conditions (`wanted_policies`).
    """
    grants = {grant._replace(rows=EVERY_ROW) for grant in _declared_grants()}
    # A grant on a table covers its columns, so a grant on one of the columns is left out.
    # If a table and one of its columns had a grant each, a REVOKE would remove only one of the two.
    whole = {grant for grant in grants if not grant.column}
    finer = {grant for grant in grants if grant.column and grant._replace(column="") not in whole}
    return whole | finer | on_tables((BACKUP_ROLE,), "SELECT", *_tables_in_backups())


def _tables_in_backups() -> list[str]:
    """Returns the names of all tables and sequences, but not of the report views, which have no rows of their own."""
    with connection.cursor() as cursor:
        cursor.execute(f"{TABLES_QUERY} SELECT name FROM tables WHERE relnamespace IS DISTINCT FROM to_regnamespace(%s)",
                       [report_views.SCHEMA])  # fmt: skip
        return [name for (name,) in cursor.fetchall()]


def wanted_policies() -> set[RowPolicy]:
    """Returns the row security policies for all tables on which a role may use a privilege on some rows only."""
    granted = ((grant.role, grant.command, grant.table, grant.rows) for grant in _declared_grants())
    return row_security.wanted_row_policies(grant for grant in granted if not grant[2].startswith("FUNCTION "))


_ACTUAL_GRANTS = f"""
    {TABLES_QUERY}
    SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
           unnest(CASE WHEN is_grantable THEN ARRAY[privilege_type, 'GRANT OPTION FOR ' || privilege_type]
                       ELSE ARRAY[privilege_type] END), table_name, column_name
      FROM (SELECT tables.name AS table_name, '' AS column_name, (aclexplode(relacl)).* FROM tables
             UNION ALL
            SELECT tables.name, attname::text, (aclexplode(attacl)).*
              FROM pg_attribute JOIN tables ON tables.oid = attrelid WHERE attacl IS NOT NULL AND NOT attisdropped
             UNION ALL
            SELECT 'FUNCTION ' || oid::regprocedure::text, '', (aclexplode(proacl)).*
              FROM pg_proc WHERE pronamespace IN (current_schema()::regnamespace, 'audit'::regnamespace,
                                                  to_regnamespace('report'))) AS privileges
     WHERE grantee <> (SELECT oid FROM pg_roles WHERE rolname = %s)
"""


def actual() -> set[Grant]:
    """Returns all privileges on tables and functions that anybody has now, no matter who granted them.

    The privileges of the owner, the migrator, are left out. The privileges of PUBLIC and of roles that the product
    doesn't know are included.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ACTUAL_GRANTS, [MIGRATOR_ROLE])
        return {Grant(*row) for row in cursor.fetchall()}


def _state_cells() -> list[str]:
    """Returns the cells of the policy table that triggers check, as texts such as "eecrm_sales contract.sign"."""
    return sorted(
        f"{database_role(role)} {resource}.{action}"
        for resource, action, *_ in TABLE
        if action in STATE_ACTIONS
        for role in MATRIX_ROLES
        if policy.scope_of(resource, action, role) is not Scope.NONE
    )


def policy_function() -> str:
    """Returns the SQL that creates the PostgreSQL function `policy_allows(action)`.

    Triggers call this function with an action such as `contract.amend`. It returns true if the policy table allows the
    action to the current database role.
    """
    cells = ", ".join(f"'{cell}'" for cell in _state_cells())
    return (
        "CREATE OR REPLACE FUNCTION policy_allows(action text) RETURNS boolean LANGUAGE sql STABLE "
        f"AS $policy$SELECT current_setting('role') || ' ' || $1 IN ({cells})$policy$"
    )


def privilege_differences() -> list[str]:
    """Returns the SQL statements that make privileges match the policy table, and the rules of tables the migrations.

    The list is empty if nothing differs. Call `stamp` after running the statements.
    """
    have, want = actual(), wanted_grants()
    revokes = [f"REVOKE {grant}".replace(" TO ", " FROM ") for grant in sorted(have - want)]
    grants = [f"GRANT {grant}" for grant in sorted(want - have)]
    views = report_views.view_differences()
    policies = row_security.row_policy_differences(wanted_policies())
    return [*table_rules.rule_differences(), *revokes, *views, *grants, *policies]


def stamp() -> None:
    """Stores in COMMENTs what detects later changes: a hash of each new policy and report view, and the rules of tables."""
    table_rules.note_rules()
    row_security.stamp_row_policies(wanted_policies())
    report_views.stamp_views()
