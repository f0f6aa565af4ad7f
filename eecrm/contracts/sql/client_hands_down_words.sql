-- Updates the search words of a client's contracts after the client's names or email address have changed.
-- NULL in `search` makes the trigger `contract_rules` compute the words again.
CREATE OR REPLACE FUNCTION client_hands_down_words() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    IF ts_filter(NEW.search, '{a,b}') <> ts_filter(OLD.search, '{a,b}') THEN
        UPDATE contracts_contract SET search = NULL WHERE client_id = NEW.id;
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER client_hands_down_words
AFTER UPDATE OF company_name, first_name, last_name, email, search ON clients_client
FOR EACH ROW EXECUTE FUNCTION client_hands_down_words();
