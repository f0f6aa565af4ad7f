-- The key of a deleted row is never the newest of its sequence, so that `require_restore` recognises a new row by its key.
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
