"""A proof that the history which an offline copy has read is still this database's own (`audit.sync.views`)."""

from django.db import migrations

# A data folder that is put back knows nothing of what was lost; its callers do. The digest covers the newest seal, which
# chains everything before it, and the last 100 numbers of entries since. The snapshot leaves out entries of transactions that were
# still open, so that a later commit changes nothing. `at` tells two histories apart in which the same numbers were given
# out again. The cluster, its timeline and the table are in it because a restored or promoted server counts on elsewhere.
DIGEST = """
CREATE FUNCTION audit.history_digest(seen pg_snapshot, seal_id bigint, newest_id bigint) RETURNS text LANGUAGE plpgsql STABLE
SET search_path = audit, pg_temp SET timezone = 'UTC'
AS $digest$
DECLARE
    sealed seal;
    entries text;
BEGIN
    SELECT * INTO sealed FROM seal WHERE id = seal_id;
    SELECT string_agg(concat_ws(' ', id, transaction_id, at), ',' ORDER BY id) INTO entries FROM entry
     WHERE id > greatest(sealed.last_id, newest_id - 100) AND id <= newest_id AND pg_visible_in_snapshot(transaction_id, seen);
    RETURN encode(sha256(convert_to(concat_ws(',', (pg_control_system()).system_identifier,
        left(pg_walfile_name(pg_current_wal_lsn()), 8), 'audit.entry'::regclass::oid, sealed.hash, entries), 'UTF8')), 'hex');
END
$digest$;
"""
PROOF = """
CREATE FUNCTION audit.history_proof() RETURNS text LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = audit, pg_temp
AS $proof$
DECLARE
    seen pg_snapshot := pg_current_snapshot();
    seal_id bigint := (SELECT coalesce(max(id), 0) FROM seal);
    newest_id bigint := (SELECT coalesce(max(id), 0) FROM entry);
BEGIN
    RETURN concat_ws(' ', seen, seal_id, newest_id, history_digest(seen, seal_id, newest_id));
END
$proof$;
"""
HOLDS = """
CREATE FUNCTION audit.history_holds(proof text) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = audit, pg_temp
AS $holds$
DECLARE
    parts text[] := string_to_array(proof, ' ');
BEGIN
    RETURN parts[4] = history_digest(parts[1]::pg_snapshot, parts[2]::bigint, parts[3]::bigint);
END
$holds$;
"""

# The place right after the newest entry of the log (`0004_sync`, whose index this condition names) whose transaction has
# ended, with all before it. A number of a transaction alone is no place: one that left no entry is given out again.
END = """
CREATE FUNCTION audit.end_of_changes() RETURNS TABLE (xid xid8, id bigint) LANGUAGE plpgsql STABLE
SECURITY DEFINER SET search_path = audit, pg_temp
AS $end$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT transaction_id, id FROM entry
     WHERE (table_name IN ('clients_client', 'contracts_contract', 'events_event')
            OR table_name = 'accounts_user' AND operation = 'update' AND new ?| '{first_name,last_name,username}')
       AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
     ORDER BY transaction_id DESC, id DESC LIMIT 1;
END
$end$;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_sync")]

    operations = [
        migrations.RunSQL(DIGEST, "DROP FUNCTION audit.history_digest(pg_snapshot, bigint, bigint)"),
        migrations.RunSQL(PROOF, "DROP FUNCTION audit.history_proof()"),
        migrations.RunSQL(HOLDS, "DROP FUNCTION audit.history_holds(text)"),
        migrations.RunSQL(END, "DROP FUNCTION audit.end_of_changes()"),
    ]
