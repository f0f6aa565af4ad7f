-- Deletes requested changes of email addresses when the logins of the user who requested them end.
-- A user's own request may come from a thief with session and password, and the link to confirm it takes no password.
-- A manager's requests for other accounts are deleted only if the manager is deactivated or loses the role. Otherwise a
-- second manager could still confirm them.
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
