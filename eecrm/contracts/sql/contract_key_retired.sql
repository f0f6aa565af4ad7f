-- Moves the sequence past the key of a deleted row, if that key is the newest.
-- `contract_rules` relies on this to recognise ordinary new rows.
CREATE OR REPLACE FUNCTION contract_key_retired() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    IF OLD.id = pg_sequence_last_value('contracts_contract_id_seq'::regclass) THEN
        PERFORM nextval('contracts_contract_id_seq'::regclass);
    END IF;
    RETURN OLD;
END
$function$;

CREATE OR REPLACE TRIGGER contract_key_retired
BEFORE DELETE ON contracts_contract
FOR EACH ROW EXECUTE FUNCTION contract_key_retired();
