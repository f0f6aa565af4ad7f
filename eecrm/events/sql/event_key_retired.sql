-- Moves the sequence past the key of a deleted row, if that key is the newest.
-- `event_rules` relies on this to recognise ordinary new rows.
CREATE OR REPLACE FUNCTION event_key_retired() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    IF OLD.id = pg_sequence_last_value('events_event_id_seq'::regclass) THEN
        PERFORM nextval('events_event_id_seq'::regclass);
    END IF;
    RETURN OLD;
END
$function$;

CREATE OR REPLACE TRIGGER event_key_retired
BEFORE DELETE ON events_event
FOR EACH ROW EXECUTE FUNCTION event_key_retired();
