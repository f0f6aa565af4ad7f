-- Trigger function before a deletion: advances the table's sequence if the deleted row has the sequence's last key.
-- `require_restore` takes a row with the sequence's last key for a new row, so no deleted row may have this key.
CREATE OR REPLACE FUNCTION retire_key() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
DECLARE
    keys regclass := TG_TABLE_NAME || '_id_seq';
BEGIN
    IF OLD.id = pg_sequence_last_value(keys) THEN
        PERFORM nextval(keys);
    END IF;
    RETURN OLD;
END
$function$;
