-- Digest of the history that a copy has read. After a restore from a backup, the digest differs if history was lost.
-- It covers the newest seal, which chains all seals before it, and the entries since, up to the last 100 ids.
-- The snapshot leaves out entries of transactions that were open, so a later commit doesn't change the digest.
-- `at` distinguishes two histories in which the same ids were given out again.
-- The cluster, its timeline and the table are included, because a restored or promoted server continues differently.
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
