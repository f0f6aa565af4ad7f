-- What a partner sees changes with `client.account_id`. While it does, nobody makes, changes or deletes what hangs
-- below the client: a new contract has a share of the client, a new event has one of its contract, the rest are the
-- rows themselves. So each entry about these rows was written either before that of the link or after it, and its id
-- tells.
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
