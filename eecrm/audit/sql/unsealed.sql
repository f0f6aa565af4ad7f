-- Returns the time of the oldest entry without a seal, and the id of a transaction, `waits_for`.
-- The entry is sealed when all transactions up to `waits_for` have ended (the boundary in `seal_closed`).
-- `waits_for` is NULL if no transaction delays the seal. The worker's next run then makes progress.
CREATE OR REPLACE FUNCTION audit.unsealed() RETURNS TABLE(entry_at timestamp with time zone, waits_for xid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = audit, pg_temp
AS $function$
    SELECT entry.at, (SELECT boundary.xid::xid FROM boundary WHERE boundary.last_id > sealed.last_id)
      FROM (SELECT coalesce(max(seal.last_id), 0) AS last_id FROM seal) AS sealed
      JOIN entry ON entry.id > sealed.last_id
     ORDER BY entry.id LIMIT 1
$function$;
