-- Returns the account that was linked to a client right after an entry in the audit trail.
-- It is the old value in the next entry that changed the link or deleted the client. Without such an entry it is the
-- current value.
CREATE OR REPLACE FUNCTION audit.linked_then(client bigint, entry_id bigint) RETURNS bigint
LANGUAGE sql STABLE SET search_path = audit, eecrm, pg_temp
AS $function$
    SELECT account FROM (
        (SELECT id, (old ->> 'account_id')::bigint AS account FROM entry
          WHERE table_name = 'clients_client' AND row_key = client::text AND id > entry_id
            AND (operation <> 'update' OR old ? 'account_id')
          ORDER BY id LIMIT 1)
         UNION ALL
        SELECT 9223372036854775807, account_id FROM clients_client WHERE id = client
    ) AS found ORDER BY id LIMIT 1
$function$;
