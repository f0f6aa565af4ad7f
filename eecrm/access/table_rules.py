"""The rules of tables that migrations make: constraints, NOT NULL, defaults, unique indexes.

Tables have no rewrite rule, and no trigger with a function of others.

Only migrations know these rules, because not all of them are in the models. So `sync_database` notes them after
migrations have run, in the COMMENT on the table of applied migrations. Later it compares the tables with the note, and
puts right what differs.
"""

import json
import re
from collections.abc import Iterable

from django.db import connection

# Selects the statement that removes a rule from its table, and the statement that makes the rule.
# A trigger is strange if its function is in no schema of ours. `access.sql_functions` compares the other triggers.
_RULES = """
    WITH tables AS (
        SELECT oid, oid::regclass AS name FROM pg_class
         WHERE relnamespace IN (current_schema()::regnamespace, 'audit'::regnamespace) AND relkind IN ('r', 'p')
    )
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', name, conname),
           format('ALTER TABLE %s ADD CONSTRAINT %I %s', name, conname, pg_get_constraintdef(pg_constraint.oid))
      FROM pg_constraint JOIN tables ON tables.oid = conrelid WHERE contype IN ('c', 'f', 'p', 'u', 'x')
     UNION ALL
    SELECT format('ALTER TABLE %s ALTER %I DROP NOT NULL', name, attname),
           format('ALTER TABLE %s ALTER %I SET NOT NULL', name, attname)
      FROM pg_attribute JOIN tables ON tables.oid = attrelid WHERE attnum > 0 AND attnotnull AND NOT attisdropped
     UNION ALL
    SELECT format('ALTER TABLE %s ALTER %I DROP DEFAULT', name, attname),
           format('ALTER TABLE %s ALTER %I SET DEFAULT %s', name, attname, pg_get_expr(adbin, adrelid))
      FROM pg_attrdef JOIN tables ON tables.oid = adrelid
      JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum WHERE attgenerated = ''
     UNION ALL
    SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
      FROM pg_index JOIN tables ON tables.oid = indrelid
     WHERE indisunique AND indisvalid
       AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
     UNION ALL
    SELECT format('DROP RULE %I ON %s', rulename, name), pg_get_ruledef(pg_rewrite.oid)
      FROM pg_rewrite JOIN tables ON tables.oid = ev_class
     UNION ALL
    SELECT format('DROP TRIGGER %I ON %s', tgname, name), pg_get_triggerdef(pg_trigger.oid)
      FROM pg_trigger JOIN tables ON tables.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid
     WHERE NOT tgisinternal AND pronamespace NOT IN (current_schema()::regnamespace, 'audit'::regnamespace)
"""
# The note counts for these migrations and this query, and for the version of PostgreSQL that wrote the statements.
# Another version may word them otherwise.
_STATE = """
    SELECT concat_ws(' ', count(*), max(id), current_setting('server_version_num')::integer / 10000, md5(%s)),
           obj_description('django_migrations'::regclass, 'pg_class')
      FROM django_migrations
"""


# PostgreSQL reads its own statement and writes it with other casts and brackets, for example after the restore of a dump:
# `ANY ((ARRAY['a'::character varying])::text[])` becomes `ANY (ARRAY[('a'::character varying)::text])`.
_WORDING = re.compile(r"::(?:character varying|text)(?:\[\])?|[()\s]")

Rules = dict[tuple[str, str], tuple[str, str]]


def _by_meaning(rules: Iterable[tuple[str, str]]) -> Rules:
    """Maps the two statements without casts, brackets and spaces to the statements as PostgreSQL wrote them."""
    return {(drop, _WORDING.sub("", add)): (drop, add) for drop, add in rules}


def _present() -> Rules:
    with connection.cursor() as cursor:
        cursor.execute(_RULES)
        return _by_meaning(cursor.fetchall())


def _noted() -> Rules | None:
    """Returns the noted rules; None if the note is missing or counts no longer."""
    with connection.cursor() as cursor:
        cursor.execute(_STATE, [_RULES])
        state, text = cursor.fetchone()
    note = json.loads(text) if text else {}
    return _by_meaning((drop, add) for drop, add in note["rules"]) if note.get("state") == state else None


def rule_differences() -> list[str]:
    """Returns the SQL statements that make the rules of tables again as migrations made them.

    The list is empty if nothing differs, or if migrations have run since the rules were noted.
    """
    noted = _noted()
    if noted is None:
        return []
    present = _present()
    # A foreign key comes last, because it needs the unique constraint to which it refers.
    missing = (noted[meaning][1] for meaning in noted.keys() - present.keys())
    made = sorted(missing, key=lambda statement: (" FOREIGN KEY " in statement, statement))
    return [*sorted(drop for drop, _ in present.keys() - noted.keys()), *made]


def note_rules() -> None:
    """Notes the rules of tables, if migrations have run since they were noted."""
    if _noted() is not None:
        return
    with connection.cursor() as cursor:
        cursor.execute(_STATE, [_RULES])
        note = {"state": cursor.fetchone()[0], "rules": sorted(_present().values())}
        cursor.execute("COMMENT ON TABLE django_migrations IS %s", [json.dumps(note)])
