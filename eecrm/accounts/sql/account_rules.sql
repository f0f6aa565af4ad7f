CREATE OR REPLACE FUNCTION account_rules() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    -- Without SET ROLE somebody logs in. The login role (`eecrm_app`) may write only the columns that a login needs.
    IF current_setting('role') = 'none' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    IF (OLD.is_superuser OR NEW.is_superuser) AND NOT policy_allows('user.promote') THEN
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
