-- Refuses a username that another existing account had before. Otherwise the new account would look like the earlier
-- one in histories. The username of a deleted account may be used again.
CREATE OR REPLACE FUNCTION username_stays() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    IF NOT is_migrator() AND was_username_of_another(NEW.username, NEW.id) THEN
        PERFORM refuse('username_was_anothers');
    END IF;
    RETURN NEW;
END
$function$;

CREATE OR REPLACE TRIGGER username_stays
BEFORE INSERT OR UPDATE OF username ON accounts_user
FOR EACH ROW EXECUTE FUNCTION username_stays();
