-- An owner asks for another address with a password, in a login. A thief may have both. The link that went to the thief takes
-- no password, so it ends with the logins of the account.
CREATE OR REPLACE FUNCTION address_ends_with_logins() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    IF NEW.logins_ended <> OLD.logins_ended THEN
        DELETE FROM accounts_addresschange WHERE user_id = NEW.id AND asked_by_id = NEW.id;
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER address_ends_with_logins
AFTER UPDATE ON accounts_user
FOR EACH ROW EXECUTE FUNCTION address_ends_with_logins();
