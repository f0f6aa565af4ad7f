-- Returns the contracts that the clients `parents` had right after an entry in the audit trail.
-- These are existing contracts that weren't added later, and contracts that were deleted later.
CREATE OR REPLACE FUNCTION audit.contracts_then(parents bigint[], entry_id bigint) RETURNS SETOF bigint
LANGUAGE sql STABLE SET search_path = audit, eecrm, pg_temp
AS $function$
    SELECT child.id FROM contracts_contract AS child
     WHERE child.client_id = ANY (parents)
       AND NOT EXISTS (SELECT FROM entry WHERE table_name = 'contracts_contract' AND row_key = child.id::text
                          AND id > entry_id AND operation = 'insert')
     UNION
    SELECT gone.row_key::bigint FROM entry AS gone
     WHERE gone.table_name = 'contracts_contract' AND gone.operation = 'delete' AND gone.id > entry_id
       AND (gone.old ->> 'client_id')::bigint = ANY (parents)
       AND NOT EXISTS (SELECT FROM entry AS made
                        WHERE made.table_name = 'contracts_contract' AND made.row_key = gone.row_key
                          AND made.id > entry_id AND made.id < gone.id AND made.operation = 'insert')
$function$;
