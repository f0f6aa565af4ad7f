"""Migration operations for foreign keys that PostgreSQL checks at once or follows."""

from django.db.migrations import RunSQL
from django.db.migrations.operations.base import Operation

# Django defers foreign keys to the commit, where no view is left to answer with a sentence.
_FOREIGN_KEYS = """
DO $keys$
DECLARE foreign_key record;
BEGIN
    FOR foreign_key IN
        SELECT conname AS name, pg_get_constraintdef(oid) AS definition
          FROM pg_constraint WHERE contype = 'f' AND conrelid = '{table}'::regclass
    LOOP
        EXECUTE format('ALTER TABLE {table} DROP CONSTRAINT %I, ADD CONSTRAINT %I %s', foreign_key.name, foreign_key.name,
                       replace(foreign_key.definition, 'DEFERRABLE INITIALLY DEFERRED', '{action}'));
    END LOOP;
END
$keys$;
"""

# What a row has from its parent is part of the key by which it names the parent: it can't differ, and follows.
_PARENT_KEY = """
DO $key$
DECLARE name text;
BEGIN
    SELECT conname INTO STRICT name FROM pg_constraint
     WHERE contype = 'f' AND conrelid = '{table}'::regclass AND confrelid = '{parent}'::regclass;
    EXECUTE format('ALTER TABLE {table} DROP CONSTRAINT %I, ADD CONSTRAINT %I FOREIGN KEY {columns}', name, name);
END
$key$;
"""


def handed_down(column: str, *, table: str, key: str, parent: str) -> Operation:
    """The foreign key `key` keeps a column equal to its parent's of the same name, which is unique together with the parent's id."""
    names = {"table": table, "parent": parent}
    both = f"({key}, {column}) REFERENCES {parent} (id, {column}) ON UPDATE CASCADE"
    alone = f"({key}) REFERENCES {parent} (id)"
    return RunSQL(_PARENT_KEY.format(columns=both, **names), _PARENT_KEY.format(columns=alone, **names))


def immediate_foreign_keys(*tables: str, cascade: bool = False) -> Operation:
    """Foreign keys that answer at once: with a refusal, or (`cascade`) by deleting what refers to a deleted row."""
    action = "ON DELETE CASCADE" if cascade else "NOT DEFERRABLE"
    return RunSQL([_FOREIGN_KEYS.format(table=table, action=action) for table in tables], RunSQL.noop)
