CREATE OR REPLACE FUNCTION account_rules() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    IF is_migrator() THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    -- Without SET ROLE somebody logs in, which changes none of these columns. Only the owner's link changes an address
    -- then, by a trigger (depth > 1).
    IF (OLD.is_superuser OR NEW.is_superuser) AND NOT policy_allows('user.promote')
       AND NOT (current_setting('role') = 'none' AND TG_OP = 'UPDATE'
                AND (pg_trigger_depth() > 1 OR NEW.email = OLD.email)
                AND (NEW.username, NEW.first_name, NEW.last_name, NEW.role, NEW.is_superuser, NEW.is_active)
                  = (OLD.username, OLD.first_name, OLD.last_name, OLD.role, OLD.is_superuser, OLD.is_active)) THEN
        PERFORM refuse('user_superuser_guarded');
    END IF;
    IF TG_OP <> 'INSERT' AND OLD.id::text = current_setting('eecrm.user_id', true) THEN
        IF TG_OP = 'DELETE' THEN
            PERFORM refuse('user_not_oneself');
        ELSIF NEW.role <> OLD.role OR NEW.is_superuser <> OLD.is_superuser OR NEW.is_active <> OLD.is_active THEN
            PERFORM refuse('user_not_oneself');
        END IF;
    END IF;
    RETURN COALESCE(NEW, OLD);
END
$function$;

CREATE OR REPLACE TRIGGER account_rules
BEFORE INSERT OR DELETE OR UPDATE ON accounts_user
FOR EACH ROW EXECUTE FUNCTION account_rules();
