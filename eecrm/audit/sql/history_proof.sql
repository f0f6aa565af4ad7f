-- Returns a proof of all trail entries that are visible now, for offline copies. `history_holds` checks it later.
-- The text has the snapshot, the ids of the newest seal and entry, and their digest (`history_digest`).
CREATE OR REPLACE FUNCTION audit.history_proof() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = audit, pg_temp
AS $function$
DECLARE
    seen pg_snapshot := pg_current_snapshot();
    seal_id bigint := (SELECT coalesce(max(id), 0) FROM seal);
    newest_id bigint := (SELECT coalesce(max(id), 0) FROM entry);
BEGIN
    RETURN concat_ws(' ', seen, seal_id, newest_id, history_digest(seen, seal_id, newest_id));
END
$function$;
