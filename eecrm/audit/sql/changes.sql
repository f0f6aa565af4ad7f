-- Entries appear in the order of commits, not of their ids or times. Of a transaction below `pg_snapshot_xmin` nothing
-- can appear any more, and whatever appears later belongs to one that is above it: read in the order of
-- (transaction_id, id) and no further than that, none is ever missed. A transaction that stays open delays those after
-- it, and loses none.
-- The tables, and the columns of other tables that their rows show, are those of the viewsets (`audit.sync.tables`). The
-- first condition is that of the index entry_for_sync.
-- No value of a row is told: places, keys, what was done, and the names of the columns that
-- changed. The last line, of no table, tells how far this went, and whether the limit ended it ('more') or the log did
-- ('end').
CREATE OR REPLACE FUNCTION audit.changes(after_xid xid8, after_id bigint, last_xid xid8, last_id bigint, most integer) RETURNS TABLE(xid xid8, id bigint, table_name text, key bigint, operation text, columns text[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = audit, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH closed AS MATERIALIZED (
        SELECT * FROM entry
         WHERE table_name <> 'accounts_tokensession'
           AND (table_name = ANY (sync_tables()) OR operation = 'update' AND new ?| sync_columns(table_name))
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
