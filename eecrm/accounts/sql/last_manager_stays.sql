-- Once for each statement: a look for each of its rows would pass all those that it has changed before.
CREATE OR REPLACE FUNCTION last_manager_stays() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
DECLARE
    is_unmade boolean;
BEGIN
    IF is_migrator() THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'DELETE' THEN
        is_unmade := EXISTS (SELECT FROM former WHERE role = 'management' AND is_active AND NOT is_superuser);
    ELSE
        is_unmade := EXISTS (SELECT id FROM former WHERE role = 'management' AND is_active AND NOT is_superuser
                             EXCEPT
                             SELECT id FROM written WHERE role = 'management' AND is_active);
    END IF;
    IF is_unmade THEN
        -- Two managers who demote each other at the same moment take turns; the second one then looks anew.
        PERFORM pg_advisory_xact_lock(hashtext('the last active manager'));
        IF NOT EXISTS (SELECT FROM accounts_user WHERE role = 'management' AND is_active AND NOT is_superuser) THEN
            PERFORM refuse('user_last_manager');
        END IF;
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER last_manager_stays_changed
AFTER UPDATE ON accounts_user REFERENCING OLD TABLE AS former NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION last_manager_stays();

CREATE OR REPLACE TRIGGER last_manager_stays_deleted
AFTER DELETE ON accounts_user REFERENCING OLD TABLE AS former
FOR EACH STATEMENT EXECUTE FUNCTION last_manager_stays();
