-- The time of the oldest entry without a seal, and the transaction of the boundary (`seal_closed`) as `waits_for`.
-- A running transaction that is as old or older delays the seal.
-- `waits_for` is NULL if no boundary lies ahead; then only the worker's next turn is missing.
CREATE OR REPLACE FUNCTION audit.unsealed() RETURNS TABLE(entry_at timestamp with time zone, waits_for xid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = audit, pg_temp
AS $function$
    SELECT entry.at, (SELECT boundary.xid::xid FROM boundary WHERE boundary.last_id > sealed.last_id)
      FROM (SELECT coalesce(max(seal.last_id), 0) AS last_id FROM seal) AS sealed
      JOIN entry ON entry.id > sealed.last_id
     ORDER BY entry.id LIMIT 1
$function$;
