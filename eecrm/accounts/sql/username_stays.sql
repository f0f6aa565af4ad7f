-- Refuses a username that another existing account had before. Otherwise the new account would look like the earlier
-- one in histories. The username of a deleted account may be used again.
CREATE OR REPLACE FUNCTION username_stays() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp SET enable_seqscan = off
AS $function$
BEGIN
    -- Without SET ROLE the function `enrol_identity` makes the username from an identity.
    IF current_setting('role') <> 'none' AND EXISTS (
        SELECT FROM audit.entry AS earlier JOIN accounts_user AS its ON its.id = earlier.row_key::bigint
         WHERE table_name || '' = 'accounts_user' AND earlier.new ? 'username' AND earlier.new ->> 'username' = NEW.username
           AND its.id <> NEW.id AND its.username <> NEW.username) THEN
        PERFORM refuse('username_was_anothers');
    END IF;
    RETURN NEW;
END
$function$;

CREATE OR REPLACE TRIGGER username_stays
BEFORE INSERT OR UPDATE OF username ON accounts_user
FOR EACH ROW EXECUTE FUNCTION username_stays();
