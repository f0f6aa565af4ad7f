-- Links that were sent before die with the deactivation: they name its time (`accounts.passwords.links`), or a change
-- that is dropped.
CREATE OR REPLACE FUNCTION account_deactivated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp SET enable_seqscan = off
AS $function$
BEGIN
    IF OLD.is_active AND NOT NEW.is_active THEN
        NEW.deactivated_at := clock_timestamp();
        DELETE FROM accounts_addresschange WHERE user_id = NEW.id;
    END IF;
    -- Otherwise an account in use could lose its address for good (`address_of_claimed`): while it is inactive.
    IF NEW.is_active AND NOT OLD.is_active AND NEW.is_claimed AND NEW.email = '' AND current_setting('role') <> 'none'
       AND NOT policy_allows('user.promote')
       AND NOT EXISTS (SELECT FROM accounts_externalidentity WHERE user_id = NEW.id) THEN
        PERFORM refuse('address_before_activity');
    END IF;
    RETURN NEW;
END
$function$;

CREATE OR REPLACE TRIGGER account_deactivated
BEFORE UPDATE OF is_active ON accounts_user
FOR EACH ROW EXECUTE FUNCTION account_deactivated();
