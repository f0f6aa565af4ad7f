"""The piece of a migration that puts a table on the trail."""

from django.db.migrations import RunSQL
from django.db.migrations.operations.base import Operation

_TRIGGER = """
CREATE TRIGGER trail AFTER INSERT OR UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION audit.record('{{{no_news}}}', '{{{secrets}}}')
"""


def recorded(table: str, *, no_news: tuple[str, ...] = (), secrets: tuple[str, ...] = ()) -> Operation:
    """Each write to the table leaves one entry. A change of `no_news` columns alone leaves none; of `secrets` it is
    told that they changed, and not to what."""
    trigger = _TRIGGER.format(table=table, no_news=",".join(no_news), secrets=",".join(secrets))
    return RunSQL(trigger, f"DROP TRIGGER trail ON {table}")
