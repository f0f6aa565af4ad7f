-- Returns the events that the contracts `parents` had right after an entry in the audit trail.
-- These are existing events that weren't added later, and events that were deleted later.
CREATE OR REPLACE FUNCTION audit.events_then(parents bigint[], entry_id bigint) RETURNS SETOF bigint
LANGUAGE sql STABLE SET search_path = audit, eecrm, pg_temp
AS $function$
    SELECT child.id FROM events_event AS child
     WHERE child.contract_id = ANY (parents)
       AND NOT EXISTS (SELECT FROM entry WHERE table_name = 'events_event' AND row_key = child.id::text
                          AND id > entry_id AND operation = 'insert')
     UNION
    SELECT gone.row_key::bigint FROM entry AS gone
     WHERE gone.table_name = 'events_event' AND gone.operation = 'delete' AND gone.id > entry_id
       AND (gone.old ->> 'contract_id')::bigint = ANY (parents)
       AND NOT EXISTS (SELECT FROM entry AS made WHERE made.table_name = 'events_event' AND made.row_key = gone.row_key
                          AND made.id > entry_id AND made.id < gone.id AND made.operation = 'insert')
$function$;
