-- Returns true if all history that a proof from `history_proof` covers is still in this database.
CREATE OR REPLACE FUNCTION audit.history_holds(proof text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = audit, pg_temp
AS $function$
DECLARE
    parts text[] := string_to_array(proof, ' ');
BEGIN
    RETURN parts[4] = history_digest(parts[1]::pg_snapshot, parts[2]::bigint, parts[3]::bigint);
END
$function$;
