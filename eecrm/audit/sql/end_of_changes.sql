-- The position right after the newest log entry whose transaction, with all earlier ones, has ended.
-- The condition repeats the one of the index `entry_for_sync`, so that PostgreSQL uses it.
-- A transaction id alone is no position: the id of a transaction without entries is given out again after a restore.
CREATE OR REPLACE FUNCTION audit.end_of_changes() RETURNS TABLE(xid xid8, id bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = audit, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT transaction_id, id FROM entry
     WHERE (table_name IN ('clients_client', 'contracts_contract', 'events_event')
            OR table_name = 'accounts_user' AND operation = 'update' AND new ?| '{first_name,last_name,username}')
       AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
     ORDER BY transaction_id DESC, id DESC LIMIT 1;
END
$function$;
