-- The change log for offline copies: the entries between two positions, at most `most` of them.
-- It returns no values of rows, only positions, keys, operations and the names of the changed columns.
-- The last line has no table. It has the last position, and 'more' if the limit ended the log, or else 'end'.
--
-- Entries appear in the order of commits, not of their ids or times.
-- A transaction below `pg_snapshot_xmin` has ended and writes no further entry. Later entries have higher transactions.
-- So reading in the order of (transaction_id, id), and not beyond `pg_snapshot_xmin`, misses no entry.
-- An open transaction delays the entries of later transactions and loses none.
--
-- `sync_tables` and `sync_columns` are generated from the viewsets (`audit.sync.tables`). By them `audit.record` has
-- marked the entries. A cursor from before other tables or columns is refused, so no copy misses an unmarked entry.
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
