-- Refuses a password for an account that logs in with an identity provider.
CREATE OR REPLACE FUNCTION account_password_rules() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp SET enable_seqscan = off
AS $function$
BEGIN
    IF NEW.password IS DISTINCT FROM OLD.password AND NEW.password NOT LIKE '!%'
       AND EXISTS (SELECT FROM accounts_externalidentity WHERE user_id = NEW.id) THEN
        PERFORM refuse('user_password_elsewhere');
    END IF;
    RETURN NEW;
END
$function$;

CREATE OR REPLACE TRIGGER account_password_rules
BEFORE UPDATE OF password ON accounts_user
FOR EACH ROW EXECUTE FUNCTION account_password_rules();
