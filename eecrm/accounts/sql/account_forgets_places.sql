-- Deletes the known places (addresses and browsers) of an account when its password changes.
CREATE OR REPLACE FUNCTION account_forgets_places() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp SET enable_seqscan = off
AS $function$
BEGIN
    IF NEW.password IS DISTINCT FROM OLD.password THEN
        DELETE FROM accounts_knownplace WHERE user_id = NEW.id;
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER account_forgets_places
AFTER UPDATE OF password ON accounts_user
FOR EACH ROW EXECUTE FUNCTION account_forgets_places();
