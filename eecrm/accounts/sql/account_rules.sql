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
    IF TG_OP <> 'INSERT' AND OLD.role = 'management' AND OLD.is_active AND NOT OLD.is_superuser
       AND (TG_OP = 'DELETE' OR NEW.role <> 'management' OR NOT NEW.is_active) THEN
        -- The lock makes two managers who demote each other wait for one another. Otherwise no manager could be left.
        PERFORM pg_advisory_xact_lock(hashtext('the last active manager'));
        IF NOT EXISTS (SELECT FROM accounts_user
                        WHERE role = 'management' AND is_active AND NOT is_superuser AND id <> OLD.id) THEN
            PERFORM refuse('user_last_manager');
        END IF;
    END IF;
    RETURN COALESCE(NEW, OLD);
END
$function$;

CREATE OR REPLACE TRIGGER account_rules
BEFORE INSERT OR DELETE OR UPDATE ON accounts_user
FOR EACH ROW EXECUTE FUNCTION account_rules();
