-- `waits_for` is the transaction of the boundary (0002_seals): each that is as old, or older, and still runs keeps the
-- entries from being sealed. It's NULL where none is noted, so that nothing but a worker is missing.
CREATE OR REPLACE FUNCTION audit.unsealed() RETURNS TABLE(entry_at timestamp with time zone, waits_for xid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = audit, pg_temp
AS $function$
    SELECT entry.at, (SELECT boundary.xid::xid FROM boundary WHERE boundary.last_id > sealed.last_id)
      FROM (SELECT coalesce(max(seal.last_id), 0) AS last_id FROM seal) AS sealed
      JOIN entry ON entry.id > sealed.last_id
     ORDER BY entry.id LIMIT 1
$function$;
