-- Locks the contracts and events under a client while the client's linked account changes.
--
-- The link decides which rows a partner sees. While it changes, no session may write a row under the client.
-- A new contract locks its client, a new event locks its contract, and other writes lock the rows themselves.
-- So an entry about these rows is from before the change if its id is lower than the id of the link's entry.
CREATE OR REPLACE FUNCTION client_link_waits() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    IF NEW.account_id IS DISTINCT FROM OLD.account_id THEN
        PERFORM FROM contracts_contract WHERE client_id = NEW.id ORDER BY id FOR NO KEY UPDATE;
        PERFORM FROM events_event AS event JOIN contracts_contract AS contract ON contract.id = event.contract_id
          WHERE contract.client_id = NEW.id ORDER BY event.id FOR SHARE OF event;
    END IF;
    RETURN NEW;
END
$function$;

CREATE OR REPLACE TRIGGER client_link_waits
BEFORE UPDATE OF account_id ON clients_client
FOR EACH ROW EXECUTE FUNCTION client_link_waits();
