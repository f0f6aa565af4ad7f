-- Returns true if the row of an audit trail entry belonged to the calling partner when the entry was written.
-- Row security calls this function.
-- It is false for an entry that changed the client's linked account, because one of the two values is from a time when
-- the client didn't belong to the partner.
CREATE OR REPLACE FUNCTION audit.was_mine(
    table_name text, row_key text, operation text, entry_id bigint, old jsonb, new jsonb) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = audit, eecrm, pg_temp
AS $function$
DECLARE
    me bigint := nullif(current_setting('eecrm.user_id', true), '');
    written jsonb := coalesce(new, old);
    contract bigint;
    client bigint;
BEGIN
    IF table_name = 'clients_client' THEN
        IF operation <> 'update' THEN
            RETURN coalesce((written ->> 'account_id')::bigint = me, false);
        ELSIF new ? 'account_id' THEN
            RETURN false;
        END IF;
        client := row_key;
    ELSIF table_name = 'contracts_contract' THEN
        client := CASE operation WHEN 'update' THEN client_then(row_key::bigint, entry_id)
                                 ELSE (written ->> 'client_id')::bigint END;
    ELSIF table_name = 'events_event' THEN
        contract := CASE operation WHEN 'update' THEN contract_then(row_key::bigint, entry_id)
                                   ELSE (written ->> 'contract_id')::bigint END;
        client := client_then(contract, entry_id);
    END IF;
    RETURN coalesce(linked_then(client, entry_id) = me, false);
END
$function$;
