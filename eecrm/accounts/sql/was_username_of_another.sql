-- True if an existing account other than `its_id` had this username before, and has another one now.
CREATE OR REPLACE FUNCTION was_username_of_another(name text, its_id bigint) RETURNS boolean
LANGUAGE sql STABLE SET enable_seqscan = off
AS $function$
    SELECT EXISTS (
        SELECT FROM audit.entry AS earlier JOIN accounts_user AS its ON its.id = earlier.row_key::bigint
         WHERE table_name || '' = 'accounts_user' AND earlier.new ? 'username' AND earlier.new ->> 'username' = name
           AND its.id <> its_id AND its.username <> name)
$function$;
