-- Called before an INSERT: the key of a deleted row comes back only by *restore* of its noun, with a reason. A search of the
-- trail takes 7 us, a comparison of two numbers half of one. A plain new row has the key that the sequence has just given.
CREATE OR REPLACE FUNCTION require_restore(noun text, its_table text, key bigint) RETURNS void
LANGUAGE plpgsql
AS $function$
BEGIN
    IF key IS DISTINCT FROM pg_sequence_last_value((its_table || '_id_seq')::regclass) AND EXISTS (
        SELECT FROM audit.entry WHERE table_name = its_table AND row_key = key::text AND operation = 'delete') THEN
        IF NOT policy_allows(noun || '.restore') THEN
            RAISE insufficient_privilege USING MESSAGE = format('Your role may not restore this %s.', noun);
        END IF;
        IF coalesce(current_setting('eecrm.reason', true), '') = '' THEN
            PERFORM refuse('restore_needs_reason');
        END IF;
    END IF;
END
$function$;
