-- Increments `logins_ended` when a change must end all logins. A session of the admin site holds the number, and ends
-- when the account has another one. Because it is a counter, a change that is undone ends sessions, too.
CREATE OR REPLACE FUNCTION account_counts_endings() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    NEW.logins_ended := OLD.logins_ended + (
        (NEW.password, NEW.role, NEW.is_active, NEW.is_superuser, NEW.logins_ended)
        IS DISTINCT FROM (OLD.password, OLD.role, OLD.is_active, OLD.is_superuser, OLD.logins_ended))::integer;
    RETURN NEW;
END
$function$;

CREATE OR REPLACE TRIGGER account_counts_endings
BEFORE UPDATE OF password, role, is_active, is_superuser, logins_ended ON accounts_user
FOR EACH ROW EXECUTE FUNCTION account_counts_endings();
