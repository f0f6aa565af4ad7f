-- Returns the change log for copies that clients keep offline: the entries between two positions, at most `most`.
-- The result has no values of rows, only positions, keys, operations and the names of the changed columns.
-- The last row of the result has an empty table name. It has the position of the last entry.
-- The operation of the last row is 'more' if `most` was reached and further entries may follow, otherwise 'end'.
--
-- An entry becomes visible when its transaction commits, which may be later than entries with higher ids or times.
-- A transaction with an id below `pg_snapshot_xmin` has ended, so it writes no further entry.
-- So no entry is missed by reading only such transactions, in the order of (transaction_id, id).
-- While a transaction is open, the entries of later transactions aren't returned yet, but none is lost.
--
-- `sync_tables` and `sync_columns` are generated from the viewsets (`audit.sync.tables`). `audit.record` marks the entries
-- by them. A cursor from before other tables or columns is refused, so no copy misses an unmarked entry.
CREATE OR REPLACE FUNCTION audit.changes(after_xid xid8, after_id bigint, last_xid xid8, last_id bigint, most integer)
RETURNS TABLE(xid xid8, id bigint, table_name text, key bigint, operation text, columns text[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = audit, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH closed AS MATERIALIZED (
        SELECT * FROM entry
         WHERE is_synced
           AND (transaction_id, id) > (after_xid, after_id)
           AND (last_xid IS NULL OR (transaction_id, id) <= (last_xid, last_id))
           AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
         ORDER BY transaction_id, id
         LIMIT most
    )
    SELECT transaction_id, id, table_name, row_key::bigint, operation,
           CASE WHEN table_name <> ALL (sync_tables()) THEN sync_columns(table_name)
                WHEN operation = 'update' THEN ARRAY(SELECT jsonb_object_keys(new)) ELSE '{}' END
      FROM closed
     UNION ALL
    (SELECT transaction_id, id, '', 0, CASE WHEN (SELECT count(*) FROM closed) < most THEN 'end' ELSE 'more' END, '{}'
       FROM closed ORDER BY transaction_id DESC, id DESC LIMIT 1);
END
$function$;
