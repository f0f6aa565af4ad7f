-- Another user made an account a manager's, or ended that: all managers get news at once, and so does the account that is no
-- manager's any more, because no news reaches it afterwards. Commands on the server are the operator's own, and no news.
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
            INSERT INTO accounts_mail (kind, user_id, address) VALUES ('manager_unmade', OLD.id, OLD.email);
        END IF;
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER manager_told
AFTER INSERT OR DELETE OR UPDATE OF role, is_superuser, is_active ON accounts_user
FOR EACH ROW EXECUTE FUNCTION manager_told();
