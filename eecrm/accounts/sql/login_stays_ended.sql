-- Keeps an ended login ended: after SET ROLE, a user may end their own logins, but not open them again.
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
