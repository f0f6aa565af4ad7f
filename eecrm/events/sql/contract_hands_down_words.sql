-- Updates the search words of a contract's events after the contract's name or words have changed.
-- NULL in `search` makes the trigger `event_rules` compute the words again.
CREATE OR REPLACE FUNCTION contract_hands_down_words() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    IF NEW.search <> OLD.search THEN
        UPDATE events_event SET search = NULL WHERE contract_id = NEW.id;
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER contract_hands_down_words
AFTER UPDATE OF name, search ON contracts_contract
FOR EACH ROW EXECUTE FUNCTION contract_hands_down_words();
