"""Migration operations for foreign keys: immediate checks, and columns that PostgreSQL copies from the parent row."""

from django.db.migrations import RunSQL
from django.db.migrations.operations.base import Operation

# Makes PostgreSQL check foreign keys immediately. Django's migrations let PostgreSQL check them at the commit.
# At the commit it would be too late for a view to turn the error into a readable sentence.
_FOREIGN_KEYS = """
DO $keys$
DECLARE foreign_key record;
BEGIN
    FOR foreign_key IN
        SELECT conname AS name, pg_get_constraintdef(oid) AS definition
          FROM pg_constraint WHERE contype = 'f' AND conrelid = '{table}'::regclass
    LOOP
        EXECUTE format('ALTER TABLE {table} DROP CONSTRAINT %I, ADD CONSTRAINT %I %s',
                       foreign_key.name, foreign_key.name,
                       replace(foreign_key.definition, 'DEFERRABLE INITIALLY DEFERRED', '{action}'));
    END LOOP;
END
$keys$;
"""

# Replaces the foreign key to the parent by a key with two columns: the parent's id and the copied column.
# ON UPDATE CASCADE keeps both columns of the foreign key equal to those of the parent row.
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
    """Extends the foreign key `key`, so that PostgreSQL keeps `column` equal to the parent's column of the same name.

    The parent table needs a unique constraint on (id, `column`).
    """
    names = {"table": table, "parent": parent}
    both = f"({key}, {column}) REFERENCES {parent} (id, {column}) ON UPDATE CASCADE"
    alone = f"({key}) REFERENCES {parent} (id)"
    return RunSQL(_PARENT_KEY.format(columns=both, **names), _PARENT_KEY.format(columns=alone, **names))


def immediate_foreign_keys(*tables: str, cascade: bool = False) -> Operation:
    """Makes PostgreSQL check the foreign keys of the tables within each statement, not at the commit.

    PostgreSQL then refuses to delete a row to which other rows refer. With `cascade` it deletes the referring rows too.
    """
    action = "ON DELETE CASCADE" if cascade else "NOT DEFERRABLE"
    return RunSQL([_FOREIGN_KEYS.format(table=table, action=action) for table in tables], RunSQL.noop)
