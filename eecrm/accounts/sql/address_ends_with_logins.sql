-- An owner asks for another address with a password, in a login. A thief may have both. The link that went to the thief takes
-- no password, so it ends with the logins of the account. What a manager asked for other accounts ends when the manager's
-- account is deactivated or loses its role: a second manager would otherwise confirm the wish of somebody who was sent away.
CREATE OR REPLACE FUNCTION address_ends_with_logins() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp SET enable_seqscan = off
AS $function$
BEGIN
    IF NEW.logins_ended <> OLD.logins_ended THEN
        DELETE FROM accounts_addresschange
         WHERE asked_by_id = NEW.id
           AND (user_id = NEW.id OR NOT (NEW.is_active AND (NEW.role = 'management' OR NEW.is_superuser)));
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER address_ends_with_logins
AFTER UPDATE ON accounts_user
FOR EACH ROW EXECUTE FUNCTION address_ends_with_logins();
