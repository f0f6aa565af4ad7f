"""Pieces of migrations that put rules into PostgreSQL: triggers that refuse in a sentence, foreign keys that refuse at once."""

from django.db.migrations import RunSQL
from django.db.migrations.operations.base import Operation

# Trigger functions run as their owner, since the caller's role may not read all that a rule has to look at.
_CREATE_FUNCTION = """
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $rules${body}$rules$;
"""

_REFUSE = """
CREATE FUNCTION refuse(rule text, sentence text) RETURNS void LANGUAGE plpgsql AS $refuse$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = rule, MESSAGE = sentence;
END
$refuse$;
"""

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


def refuse_function() -> Operation:
    """`refuse(rule, sentence)`: what a trigger calls; `access.refusals` turns it into a 409 with that rule."""
    return RunSQL(_REFUSE, "DROP FUNCTION refuse(text, text)")


def rules(name: str, *, table: str, when: str, body: str) -> Operation:
    """A trigger function of this name with this body, called `when` (`BEFORE INSERT OR …`) for each row of the table."""
    trigger = f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}();"
    return RunSQL(_CREATE_FUNCTION.format(name=name, body=body) + trigger, f"DROP FUNCTION {name}() CASCADE")


def rewritten_rules(name: str, *, body: str, before: str) -> Operation:
    """Another body for the trigger function of this name; `before` is the one that a migration back gives it again."""
    function = _CREATE_FUNCTION.replace("CREATE", "CREATE OR REPLACE", 1)
    return RunSQL(function.format(name=name, body=body), function.format(name=name, body=before))


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
