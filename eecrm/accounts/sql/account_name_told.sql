-- Mails the managers immediately when a username changes, because the audit trail names accounts by username.
-- Mails them within a day when owners change their own display name.
CREATE OR REPLACE FUNCTION account_name_told() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    IF NEW.username <> OLD.username THEN
        PERFORM tell_managers(true);
    ELSIF current_setting('role') <> 'none' AND current_setting('eecrm.user_id', true) = NEW.id::text
       AND NEW.display_name <> OLD.display_name THEN
        PERFORM tell_managers(false);
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER account_name_told
AFTER UPDATE OF username, first_name, last_name ON accounts_user
FOR EACH ROW EXECUTE FUNCTION account_name_told();
