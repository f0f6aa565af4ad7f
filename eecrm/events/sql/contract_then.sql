-- Returns the contract of an event at the time of an entry in the audit trail.
-- If the event was deleted later, the contract comes from the entry of that deletion.
CREATE OR REPLACE FUNCTION audit.contract_then(event bigint, entry_id bigint) RETURNS bigint
LANGUAGE sql STABLE SET search_path = audit, eecrm, pg_temp
AS $function$
    SELECT coalesce((SELECT (old ->> 'contract_id')::bigint FROM entry
                      WHERE table_name = 'events_event' AND row_key = event::text AND id > entry_id
                        AND operation = 'delete'
                      ORDER BY id LIMIT 1),
                    (SELECT contract_id FROM events_event WHERE id = event))
$function$;
