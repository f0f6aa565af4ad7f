-- Returns the last position of the change log: of the newest entry whose transaction and all earlier ones have ended.
-- A position has both ids, because a transaction id may be used again after a restore from a backup.
CREATE OR REPLACE FUNCTION audit.end_of_changes() RETURNS TABLE(xid xid8, id bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = audit, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT transaction_id, id FROM entry
     WHERE is_synced
       AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
     ORDER BY transaction_id DESC, id DESC LIMIT 1;
END
$function$;
