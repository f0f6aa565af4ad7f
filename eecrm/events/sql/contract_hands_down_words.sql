-- A contract with a new name or new words hands its search words down to its events.
-- NULL makes `event_rules` compute the words.
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
