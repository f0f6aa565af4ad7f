-- A manager whom another user makes or unmakes is news. What a command on the server does is the operator's own.
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
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER manager_told
AFTER INSERT OR DELETE OR UPDATE OF role, is_superuser, is_active ON accounts_user
FOR EACH ROW EXECUTE FUNCTION manager_told();
