-- A data folder that is put back knows nothing of what was lost; its callers do. The digest covers the newest seal,
-- which chains everything before it, and the last 100 numbers of entries since. The snapshot leaves out entries of
-- transactions that were still open, so that a later commit changes nothing. `at` tells two histories apart in which
-- the same numbers were given out again. The cluster, its timeline and the table are in it because a restored or
-- promoted server counts on elsewhere.
CREATE OR REPLACE FUNCTION audit.history_digest(seen pg_snapshot, seal_id bigint, newest_id bigint) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = audit, pg_temp SET timezone = 'UTC'
AS $function$
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
$function$;
