-- Changes that a partner's client program gets for its offline copies: `changes`, reduced to the partner's rows.
--
-- An entry about a row that belongs to the partner now is returned as in `changes`.
-- For a row that was deleted, or no longer belongs to the partner, only the loss is returned.
-- The loss is 'delete' if the row belonged to the partner when it was deleted, or 'revoke' if the client was unlinked.
-- A 'revoke' is returned for the client and for all contracts and events under it at that time.
-- Other entries about such rows are left out.
CREATE OR REPLACE FUNCTION audit.changes_of_mine(
    after_xid xid8, after_id bigint, last_xid xid8, last_id bigint, most integer)
RETURNS TABLE(xid xid8, id bigint, table_name text, key bigint, operation text, columns text[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = audit, eecrm, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    me bigint := nullif(current_setting('eecrm.user_id', true), '');
BEGIN
    RETURN QUERY
    WITH closed AS MATERIALIZED (
        -- A join would read the whole trail: PostgreSQL expects 1,000 rows of any function.
        SELECT one.*, (SELECT entry.old FROM entry WHERE entry.id = one.id) AS old
          FROM changes(after_xid, after_id, last_xid, last_id, most) AS one
    ), present AS (
        SELECT 'clients_client' AS place, client.id FROM clients_client AS client WHERE client.account_id = me
         UNION ALL
        SELECT 'contracts_contract', contract.id
          FROM contracts_contract AS contract JOIN clients_client AS client ON client.id = contract.client_id
         WHERE client.account_id = me
         UNION ALL
        SELECT 'events_event', event.id
          FROM events_event AS event JOIN contracts_contract AS contract ON contract.id = event.contract_id
          JOIN clients_client AS client ON client.id = contract.client_id
         WHERE client.account_id = me
         UNION ALL
        SELECT 'accounts_user', client.sales_contact_id FROM clients_client AS client WHERE client.account_id = me
         UNION
        SELECT 'accounts_user', event.support_contact_id
          FROM events_event AS event JOIN contracts_contract AS contract ON contract.id = event.contract_id
          JOIN clients_client AS client ON client.id = contract.client_id
         WHERE client.account_id = me
    ), deleted AS (
        SELECT * FROM closed
         WHERE operation = 'delete'
           AND CASE table_name
               WHEN 'clients_client' THEN (old ->> 'account_id')::bigint = me
               WHEN 'contracts_contract' THEN linked_then((old ->> 'client_id')::bigint, id) = me
               WHEN 'events_event' THEN linked_then(client_then((old ->> 'contract_id')::bigint, id), id) = me
               END
    ), lost AS (
        SELECT *, ARRAY(SELECT contracts_then(ARRAY[key], id)) AS contracts FROM closed
         WHERE table_name = 'clients_client' AND operation = 'update' AND (old ->> 'account_id')::bigint = me
    )
    SELECT xid, id, table_name, key, operation, columns FROM closed
     WHERE operation <> 'delete' AND (table_name, key) IN (SELECT place, present.id FROM present)
     UNION ALL
    SELECT xid, id, table_name, key, operation, columns FROM deleted
     UNION ALL
    SELECT xid, id, table_name, key, 'revoke', '{}' FROM lost
     UNION ALL
    SELECT xid, id, 'contracts_contract', contract, 'revoke', '{}' FROM lost, unnest(contracts) AS contract
     UNION ALL
    SELECT xid, id, 'events_event', event, 'revoke', '{}' FROM lost, events_then(contracts, id) AS event
     UNION ALL
    SELECT xid, id, table_name, key, operation, columns FROM closed WHERE table_name = '';
END
$function$;
