-- The position right after the newest entry of the change log (`changes`).
-- Its transaction has ended, with all earlier ones.
-- A transaction id alone is no position: the id of a transaction without entries is given out again after a restore.
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
