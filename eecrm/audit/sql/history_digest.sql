-- Returns a digest of the history that an offline copy has read. It differs if a restore from a backup lost history.
-- The digest covers the newest seal, whose hash includes all earlier seals, and later entries among the last 100 ids.
-- Entries that the snapshot `seen` doesn't see are left out, so that a later commit doesn't change the digest.
-- `at` is included because, after a restore, other entries may get the same ids.
-- The ids of the cluster, its timeline and the table are included, because a restore or a failover changes one of them.
CREATE OR REPLACE FUNCTION audit.history_digest(seen pg_snapshot, seal_id bigint, newest_id bigint) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = audit, pg_temp SET timezone = 'UTC'
AS $function$
DECLARE
    sealed seal;
    entries text;
BEGIN
    SELECT * INTO sealed FROM seal WHERE id = seal_id;
    SELECT string_agg(concat_ws(' ', id, transaction_id, at), ',' ORDER BY id) INTO entries FROM entry
     WHERE id > greatest(sealed.last_id, newest_id - 100) AND id <= newest_id
       AND pg_visible_in_snapshot(transaction_id, seen);
    RETURN encode(sha256(convert_to(concat_ws(',', (pg_control_system()).system_identifier,
        left(pg_walfile_name(pg_current_wal_lsn()), 8), 'audit.entry'::regclass::oid, sealed.hash, entries),
        'UTF8')), 'hex');
END
$function$;
