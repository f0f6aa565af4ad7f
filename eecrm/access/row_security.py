"""The policy table compiled into PostgreSQL's row security: on which rows a role may use the privileges that it has.

One policy for each role and command: PostgreSQL folds `USING (true)` away, so that a scope of *all* costs nothing, and a
policy for all commands would widen what may be read (`architecture.md`, Database).
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Model

from access.database import ROLE_PREFIX

EVERY_ROW, NO_ROW = "true", "false"

# It passes row security where bootstrap.sql could let it; these policies are for servers where nobody may give that away.
BACKUP_ROLE = f"{ROLE_PREFIX}backup"

# Who acts. As subqueries, they are asked once for a statement and not for each row; without a context they are null.
_ME = "(SELECT nullif(current_setting('eecrm.user_id', true), '')::bigint)"
# Oneself, and whom one covers for at the moment; a function of the app that knows people.
_OWN_IDS = "((SELECT own_ids())::bigint[])"


def about_me(column: str) -> str:
    """The rows that are the caller's alone: their login, their profile."""
    return f"{column} = {_ME}"


def owned(model: type[Model], lookup: str) -> str:
    """The rows that `lookup` (of `PolicyQuerySet.owners`) leads from to the caller, or to whom the caller covers for."""
    first, _, rest = lookup.partition("__")
    table, field = model._meta.db_table, _field(model, first)
    if not rest:
        return f"{table}.{field.column} = ANY {_OWN_IDS}"
    parent = field.related_model
    key = f"{parent._meta.db_table}.{parent._meta.pk.column} = {table}.{field.column}"
    return f"EXISTS (SELECT FROM {parent._meta.db_table} WHERE {key} AND {owned(parent, rest)})"


def seen(key: str, *models: type[Model]) -> str:
    """The rows of a trail (`table_name`, and `key`, which is text) that tell of what the role sees today.

    The key becomes a number in a subquery of its own. The cast may fail and tell a value by that, so that PostgreSQL would not
    use it with an index before row security has looked at each row of the table.
    """
    number = f"(SELECT {key}::bigint OFFSET 0) AS told (id)"
    cases = "".join(
        f" WHEN '{model._meta.db_table}' THEN EXISTS (SELECT FROM {number} JOIN {model._meta.db_table} AS row USING (id))"
        for model in models
    )
    return f"CASE table_name{cases} ELSE false END"


def _field(model: type[Model], name: str) -> Any:
    return model._meta.get_field(name)


class RowPolicy(NamedTuple):
    """`rows` is the condition in SQL; reading and deleting look at rows as they are, INSERT and UPDATE at what becomes of them."""

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
        """What is noted beside the policy: PostgreSQL tells a condition in words of its own, which depend on its version."""
        return hashlib.sha256(f"{self.create()}\n{stored}".encode()).hexdigest()


def wanted_row_policies(granted: Iterable[tuple[str, str, str, str]]) -> set[RowPolicy]:
    """The policies of the tables on which somebody's rows are narrowed, from (role, command, table, rows) of each grant.

    Where a role has a command twice (its own profile, and all accounts), PostgreSQL folds `… OR true` away.
    """
    conditions: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for role, command, table, rows in granted:
        conditions[table, role, command].add(rows)
    narrowed = {table for (table, _, _), either in conditions.items() if either != {EVERY_ROW}}
    policies = {RowPolicy(table, BACKUP_ROLE, "SELECT", EVERY_ROW) for table in narrowed}
    for (table, role, command), either in conditions.items():
        if table in narrowed:
            policies.add(RowPolicy(table, role, command, " OR ".join(sorted(either))))
    return policies


# Tables of the trail stand under both their names, as Django writes them; so do the views of reports.
TABLES_QUERY = """
    WITH tables AS (
        SELECT oid, relacl, relrowsecurity, relkind,
               CASE relnamespace WHEN 'audit'::regnamespace THEN format('"audit"."%%s"', relname)
                                 WHEN to_regnamespace('report') THEN format('report.%%s', relname) ELSE relname::text END AS name
          FROM pg_class
         WHERE relnamespace IN (current_schema()::regnamespace, 'audit'::regnamespace, to_regnamespace('report'))
           AND relkind IN ('r', 'p', 'v', 'S')
    )
"""
_POLICIES = f"""
    {TABLES_QUERY}
    SELECT tables.name, polname::text,
           concat_ws(' ', polpermissive, polcmd, polroles::regrole[], pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)),
           obj_description(pg_policy.oid, 'pg_policy')
      FROM pg_policy JOIN tables ON tables.oid = polrelid
"""
_SECURED = f"{TABLES_QUERY} SELECT name FROM tables WHERE relrowsecurity"
# A trigger that somebody has switched off is a hole like a policy that is missing.
_SILENCED = f"""
    {TABLES_QUERY}
    SELECT format('ALTER TABLE %%s ENABLE TRIGGER %%I', tables.name, tgname) FROM pg_trigger JOIN tables ON tables.oid = tgrelid
     WHERE tgenabled <> 'O' AND NOT tgisinternal
"""


def _rows(sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, [])
        return cursor.fetchall()


def _broken(policies: set[RowPolicy]) -> dict[tuple[str, str], str]:
    """`{(table, name): condition as it is stored}` of the policies that aren't (or are no longer) what the table says."""
    known = {(policy.table, policy.name): policy for policy in policies}
    return {
        (table, name): stored
        for table, name, stored, note in _rows(_POLICIES)
        if (policy := known.get((table, name))) is None or policy.stamp(stored) != note
    }


def row_policy_differences(policies: set[RowPolicy]) -> list[str]:
    """What must be run to make the catalogue say what the table says. `confirm` afterwards."""
    broken = _broken(policies)
    stored = {(table, name) for table, name, _, _ in _rows(_POLICIES)}
    tables, secured = {policy.table for policy in policies}, {name for (name,) in _rows(_SECURED)}
    missing = (
        policy for policy in sorted(policies)
        if (policy.table, policy.name) not in stored or (policy.table, policy.name) in broken
    )  # fmt: skip
    return [
        *(f"DROP POLICY {name} ON {table}" for table, name in sorted(broken)),
        *(policy.create() for policy in missing),
        *(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY" for table in sorted(tables - secured)),
        *(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY" for table in sorted(secured - tables)),
        *(statement for (statement,) in sorted(_rows(_SILENCED))),
    ]


def stamp_row_policies(policies: set[RowPolicy]) -> None:
    """Note beside each new policy what it was made from, and what PostgreSQL made of it."""
    known = {(policy.table, policy.name): policy for policy in policies}
    with connection.cursor() as cursor:
        for (table, name), stored in _broken(policies).items():
            cursor.execute(f"COMMENT ON POLICY {name} ON {table} IS '{known[table, name].stamp(stored)}'")
