-- A role may end its own logins. Only the login role brings one back, by a new login.
CREATE OR REPLACE FUNCTION login_stays_ended() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    IF current_setting('role') <> 'none' THEN
        NEW.revoked_at := coalesce(OLD.revoked_at, NEW.revoked_at);
    END IF;
    RETURN NEW;
END
$function$;

CREATE OR REPLACE TRIGGER login_stays_ended
BEFORE UPDATE OF revoked_at ON accounts_tokensession
FOR EACH ROW EXECUTE FUNCTION login_stays_ended();
