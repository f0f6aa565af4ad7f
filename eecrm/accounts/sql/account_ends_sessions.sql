-- Revokes the API logins of an account when `logins_ended` is incremented.
CREATE OR REPLACE FUNCTION account_ends_sessions() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp SET enable_seqscan = off
AS $function$
BEGIN
    IF NEW.logins_ended <> OLD.logins_ended THEN
        UPDATE accounts_tokensession SET revoked_at = now() WHERE user_id = NEW.id AND revoked_at IS NULL;
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER account_ends_sessions
AFTER UPDATE ON accounts_user
FOR EACH ROW EXECUTE FUNCTION account_ends_sessions();
