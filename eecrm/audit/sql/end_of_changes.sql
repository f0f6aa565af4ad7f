-- The place right after the newest entry of the log (the condition is that of `changes`) whose transaction
-- has ended, with all before it. A number of a transaction alone is no place: one that left no entry is given out
-- again.
CREATE OR REPLACE FUNCTION audit.end_of_changes() RETURNS TABLE(xid xid8, id bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = audit, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT transaction_id, id FROM entry
     WHERE table_name <> 'accounts_tokensession'
       AND (table_name = ANY (sync_tables()) OR operation = 'update' AND new ?| sync_columns(table_name))
       AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
     ORDER BY transaction_id DESC, id DESC LIMIT 1;
END
$function$;
