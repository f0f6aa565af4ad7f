CREATE OR REPLACE FUNCTION member_rules() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp SET enable_seqscan = off
AS $function$
DECLARE
    account bigint := COALESCE(NEW.user_id, OLD.user_id);
BEGIN
    -- At depth > 1 the row is deleted with its group or account, whose own rules apply.
    IF is_migrator() OR pg_trigger_depth() > 1 THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    IF account::text = current_setting('eecrm.user_id', true) THEN
        PERFORM refuse('user_not_oneself');
    END IF;
    IF NOT policy_allows('user.promote') AND EXISTS (SELECT FROM accounts_user WHERE id = account AND is_superuser) THEN
        PERFORM refuse('user_superuser_guarded');
    END IF;
    IF TG_OP <> 'DELETE' AND EXISTS (SELECT FROM auth_group WHERE id = NEW.group_id
                                        AND name IN ('External', 'Sales', 'Support', 'Management', 'Auditor')) THEN
        PERFORM refuse('group_follows_role');
    END IF;
    RETURN COALESCE(NEW, OLD);
END
$function$;

CREATE OR REPLACE TRIGGER member_rules
BEFORE INSERT OR DELETE OR UPDATE ON accounts_user_groups
FOR EACH ROW EXECUTE FUNCTION member_rules();
