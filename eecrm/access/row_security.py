"""PostgreSQL row security policies, compiled from the policy table: the rows on which a role may use a privilege.

Each pair of role and SQL command has its own policy (ADR 11). The scope *all* becomes `USING (true)`, which costs
nothing because PostgreSQL optimises it away. No policy is `FOR ALL`, because the role could then also read all rows
that it may change.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Model

from access.database import ROLE_PREFIX

EVERY_ROW, NO_ROW = "true", "false"

# PostgreSQL role for backups. bootstrap.sql gives this role BYPASSRLS if the server allows BYPASSRLS.
# Without BYPASSRLS the backup role needs policies that let it read every row.
BACKUP_ROLE = f"{ROLE_PREFIX}backup"

# SQL for the id of the user who acts, null if no user is set.
# The id is read in a subquery, because PostgreSQL computes a subquery once per statement and not once per row.
_ME = "(SELECT nullif(current_setting('eecrm.user_id', true), '')::bigint)"
# SQL for the ids of the user who acts, and of colleagues on leave for whom this user stands in now.
# The file accounts/sql/own_ids.sql defines the function own_ids().
_OWN_IDS = "((SELECT own_ids())::bigint[])"


def about_me(column: str) -> str:
    """Returns the SQL condition for rows that belong to the acting user alone, such as a profile or a session."""
    return f"{column} = {_ME}"


def owned(model: type[Model], lookup: str) -> str:
    """Returns the SQL condition for rows of the acting user, and of colleagues for whom the user stands in.

    `lookup` leads from a row to its owner, for example `client__account` (`PolicyQuerySet.owners`).
    """
    first, _, rest = lookup.partition("__")
    table, field = model._meta.db_table, _field(model, first)
    if not rest:
        return f"{table}.{field.column} = ANY {_OWN_IDS}"
    parent = field.related_model
    key = f"{parent._meta.db_table}.{parent._meta.pk.column} = {table}.{field.column}"
    return f"EXISTS (SELECT FROM {parent._meta.db_table} WHERE {key} AND {owned(parent, rest)})"


def seen(key: str, *models: type[Model]) -> str:
    """Returns the SQL condition for audit trail entries about rows of `models` that the role may see now.

    An entry has the row's table in `table_name`, and the row's primary key as text in the column `key`. The condition
    casts this text to a number in a subquery of its own. The cast isn't leakproof: its error could reveal a value. So
    without the subquery PostgreSQL would first check the row security of every row, instead of using the index.
    """
    number = f"(SELECT {key}::bigint OFFSET 0) AS told (id)"
    tables = [model._meta.db_table for model in models]
    cases = "".join(
        f" WHEN '{table}' THEN EXISTS (SELECT FROM {number} JOIN {table} AS row USING (id))" for table in tables
    )
    return f"CASE table_name{cases} ELSE false END" if cases else NO_ROW


def _field(model: type[Model], name: str) -> Any:
    return model._meta.get_field(name)


class RowPolicy(NamedTuple):
    """Row security policy for one table, role and SQL command. `rows` is the SQL condition that a row must meet.

    PostgreSQL checks the stored row (USING) for SELECT, UPDATE and DELETE. PostgreSQL checks the new row (WITH CHECK)
    for INSERT and UPDATE.
    """

    table: str
    role: str
    command: str
    rows: str

    @property
    def name(self) -> str:
        return f"{self.role}_{self.command.lower()}"

    def create(self) -> str:
        using = "" if self.command == "INSERT" else f" USING ({self.rows})"
        check = f" WITH CHECK ({self.rows})" if self.command in ("INSERT", "UPDATE") else ""
        return f"CREATE POLICY {self.name} ON {self.table} FOR {self.command} TO {self.role}{using}{check}"

    def stamp(self, stored: str) -> str:
        """Returns a hash of our definition of the policy and of the condition that PostgreSQL stores.

        The policy's COMMENT keeps this hash. A different hash later shows that the definition or the stored condition
        has changed. The two texts can't be compared with each other, because PostgreSQL rewrites a condition,
        differently in each version.
        """
        return hashlib.sha256(f"{self.create()}\n{stored}".encode()).hexdigest()


def wanted_row_policies(granted: Iterable[tuple[str, str, str, str]]) -> set[RowPolicy]:
    """Returns the policies for all tables on which a role may use a privilege on some rows only.

    `granted` yields (role, command, table, rows), where `rows` is an SQL condition. If the same role, command and table
    have several conditions, the policy joins these with OR. For example, a manager may change their own profile and all
    accounts. PostgreSQL simplifies this policy's condition `… OR true` to `true`.
    """
    conditions: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for role, command, table, rows in granted:
        conditions[table, role, command].add(rows)
    limited_tables = {table for (table, _, _), alternatives in conditions.items() if alternatives != {EVERY_ROW}}
    policies = {RowPolicy(table, BACKUP_ROLE, "SELECT", EVERY_ROW) for table in limited_tables}
    for (table, role, command), alternatives in conditions.items():
        if table in limited_tables:
            policies.add(RowPolicy(table, role, command, " OR ".join(sorted(alternatives))))
    return policies


# SQL that lists tables, views and sequences of all kinds, with the names that the code uses for them.
# Tables of the audit trail have schema and quotes in the name, for example `"audit"."entry"`.
# A report view is named like `report.clients_client`. Other tables, views and sequences have no schema in the name.
TABLES_QUERY = """
    WITH tables AS (
        SELECT oid, relnamespace, relacl, relrowsecurity, relkind,
               CASE relnamespace WHEN 'audit'::regnamespace THEN format('"audit"."%%s"', relname)
                                 WHEN to_regnamespace('report') THEN format('report.%%s', relname)
                                 ELSE relname::text END AS name
          FROM pg_class
         WHERE relnamespace IN (current_schema()::regnamespace, 'audit'::regnamespace, to_regnamespace('report'))
           AND relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
    )
"""
_POLICIES = f"""
    {TABLES_QUERY}
    SELECT tables.name, polname::text,
           concat_ws(' ', polpermissive, polcmd, polroles::regrole[],
                     pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)),
           obj_description(pg_policy.oid, 'pg_policy')
      FROM pg_policy JOIN tables ON tables.oid = polrelid
"""
_SECURED_TABLES = f"{TABLES_QUERY} SELECT name FROM tables WHERE relrowsecurity"


def _rows(sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, [])
        return cursor.fetchall()


def _altered_policies(policies: set[RowPolicy]) -> dict[tuple[str, str], str]:
    """Maps (table, policy name) to the condition in the database, for each policy there that is wrong.

    A policy in the database is wrong if `policies` lacks it, or if its hash differs from the hash in its COMMENT.
    """
    wanted = {(policy.table, policy.name): policy for policy in policies}
    return {
        (table, name): stored
        for table, name, stored, note in _rows(_POLICIES)
        if (policy := wanted.get((table, name))) is None or policy.stamp(stored) != note
    }


def row_policy_differences(policies: set[RowPolicy]) -> list[str]:
    """Returns the SQL statements that make the stored policies equal to `policies`.

    Call `stamp_row_policies` after running the statements.
    """
    altered = _altered_policies(policies)
    stored = {(table, name) for table, name, _, _ in _rows(_POLICIES)}
    tables, secured = {policy.table for policy in policies}, {name for (name,) in _rows(_SECURED_TABLES)}
    missing = (
        policy for policy in sorted(policies)
        if (policy.table, policy.name) not in stored or (policy.table, policy.name) in altered
    )  # fmt: skip
    return [
        *(f"DROP POLICY {name} ON {table}" for table, name in sorted(altered)),
        *(policy.create() for policy in missing),
        *(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY" for table in sorted(tables - secured)),
        *(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY" for table in sorted(secured - tables)),
    ]


def stamp_row_policies(policies: set[RowPolicy]) -> None:
    """Stores the hash of each new policy in the policy's COMMENT."""
    wanted = {(policy.table, policy.name): policy for policy in policies}
    with connection.cursor() as cursor:
        for (table, name), stored in _altered_policies(policies).items():
            cursor.execute(f"COMMENT ON POLICY {name} ON {table} IS '{wanted[table, name].stamp(stored)}'")
