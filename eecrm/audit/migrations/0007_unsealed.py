"""The age of the oldest entry that isn't sealed, for those who watch over the trail and may not read it."""

from django.db import migrations

# `waits_for` is the transaction of the boundary (0002_seals): each that is as old, or older, and still runs keeps the
# entries from being sealed. It's NULL where none is noted, so that nothing but a worker is missing.
UNSEALED = """
CREATE FUNCTION audit.unsealed() RETURNS TABLE (entry_at timestamptz, waits_for xid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = audit, pg_temp
AS $unsealed$
    SELECT entry.at, (SELECT boundary.xid::xid FROM boundary WHERE boundary.last_id > sealed.last_id)
      FROM (SELECT coalesce(max(seal.last_id), 0) AS last_id FROM seal) AS sealed
      JOIN entry ON entry.id > sealed.last_id
     ORDER BY entry.id LIMIT 1
$unsealed$;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0006_watched")]

    operations = [migrations.RunSQL(UNSEALED, "DROP FUNCTION audit.unsealed()")]
