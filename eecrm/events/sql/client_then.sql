-- Returns the client of a contract at the time of an entry in the audit trail.
-- If the contract was deleted later, the client comes from the entry of that deletion.
CREATE OR REPLACE FUNCTION audit.client_then(contract bigint, entry_id bigint) RETURNS bigint
LANGUAGE sql STABLE SET search_path = audit, eecrm, pg_temp
AS $function$
    SELECT coalesce((SELECT (old ->> 'client_id')::bigint FROM entry
                      WHERE table_name = 'contracts_contract' AND row_key = contract::text AND id > entry_id
                        AND operation = 'delete'
                      ORDER BY id LIMIT 1),
                    (SELECT client_id FROM contracts_contract WHERE id = contract))
$function$;
