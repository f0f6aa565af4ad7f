-- Moves the sequence past the key of a deleted row, if that key is the newest.
-- `client_rules` relies on this to recognise ordinary new rows.
CREATE OR REPLACE FUNCTION client_key_retired() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    IF OLD.id = pg_sequence_last_value('clients_client_id_seq'::regclass) THEN
        PERFORM nextval('clients_client_id_seq'::regclass);
    END IF;
    RETURN OLD;
END
$function$;

CREATE OR REPLACE TRIGGER client_key_retired
BEFORE DELETE ON clients_client
FOR EACH ROW EXECUTE FUNCTION client_key_retired();
