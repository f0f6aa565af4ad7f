-- Mails all managers immediately when a user gives an account a manager's rights, or takes them away.
-- An account that has lost these rights gets a mail of its own, because news for managers no longer reaches it.
-- Commands on the server (without a user) send nothing.
CREATE OR REPLACE FUNCTION manager_told() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
DECLARE
    was_one boolean := TG_OP <> 'INSERT' AND OLD.is_active AND (OLD.role = 'management' OR OLD.is_superuser);
    is_one boolean := TG_OP <> 'DELETE' AND NEW.is_active AND (NEW.role = 'management' OR NEW.is_superuser);
BEGIN
    IF current_setting('eecrm.user_id', true) <> '' AND (was_one <> is_one OR is_one AND
           (OLD.role, OLD.is_superuser) IS DISTINCT FROM (NEW.role, NEW.is_superuser)) THEN
        PERFORM tell_managers(true);
        -- A deleted account has no owner to mail.
        IF was_one AND NOT is_one AND TG_OP = 'UPDATE' AND OLD.email <> '' AND OLD.email_confirmed_at IS NOT NULL THEN
            INSERT INTO accounts_mail (kind, user_id, address, typed) VALUES ('manager_unmade', OLD.id, OLD.email, '');
        END IF;
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER manager_told
AFTER INSERT OR DELETE OR UPDATE OF role, is_superuser, is_active ON accounts_user
FOR EACH ROW EXECUTE FUNCTION manager_told();
