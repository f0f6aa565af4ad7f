"""Pieces of migrations: what puts a table on the trail, and what brings a row back from there."""

from django.db.migrations import RunSQL
from django.db.migrations.operations.base import Operation

from access.migration_operations import rules

_CREATE_TRIGGER = """
CREATE TRIGGER trail AFTER INSERT OR UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION audit.record('{{{no_news}}}', '{{{secrets}}}')
"""


def recorded(table: str, *, no_news: tuple[str, ...] = (), secrets: tuple[str, ...] = ()) -> Operation:
    """Each write to the table leaves one entry. A change of `no_news` columns alone leaves none; of `secrets` it is
    told that they changed, and not to what."""
    trigger = _CREATE_TRIGGER.format(table=table, no_news=",".join(no_news), secrets=",".join(secrets))
    return RunSQL(trigger, f"DROP TRIGGER trail ON {table}")


def recorded_anew(table: str, *, no_news: tuple[str, ...], before: tuple[str, ...]) -> Operation:
    """Other columns that are no news; `before` are those that a migration back names again."""
    trigger = _CREATE_TRIGGER.replace("CREATE", "CREATE OR REPLACE", 1)
    now, then = (trigger.format(table=table, no_news=",".join(names), secrets="") for names in (no_news, before))
    return RunSQL(now, then)


# Looking at the trail takes 7 µs, comparing two numbers half of one: so a plain new row is told by its key, which the
# sequence gave just now. Therefore the key of a deleted row must never be the newest (`retired_keys`).
_RETURNING = """IF NEW.id IS DISTINCT FROM pg_sequence_last_value('{table}_id_seq'::regclass) THEN
            IF EXISTS (SELECT FROM audit.entry
                        WHERE table_name = '{table}' AND row_key = NEW.id::text AND operation = 'delete') THEN
                IF NOT policy_allows('{noun}.restore') THEN
                    RAISE insufficient_privilege USING MESSAGE = 'Your role may not restore this {noun}.';
                END IF;
                IF coalesce(current_setting('eecrm.reason', true), '') = '' THEN
                    PERFORM refuse('{noun}_restore_needs_reason', 'Say why you restore it.');
                END IF;
            END IF;
        END IF;"""

_RETIRED = """
BEGIN
    IF OLD.id = pg_sequence_last_value('{table}_id_seq'::regclass) THEN
        PERFORM nextval('{table}_id_seq'::regclass);
    END IF;
    RETURN OLD;
END
"""


def returning_key(table: str, *, noun: str) -> str:
    """What a trigger asks before an INSERT: a key that was deleted comes back for whoever may restore, and with a reason only."""
    return _RETURNING.format(table=table, noun=noun)


def retired_keys(table: str, *, noun: str) -> Operation:
    """The sequence goes past the key of a row that is deleted."""
    return rules(f"{noun}_key_retired", table=table, when="BEFORE DELETE", body=_RETIRED.format(table=table))
