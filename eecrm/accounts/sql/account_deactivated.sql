-- Ends mailed links when an account is deactivated: links to a password depend on `deactivated_at`
-- (`accounts.passwords.links`), and links to confirm an address depend on the row that is deleted here.
CREATE OR REPLACE FUNCTION account_deactivated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp SET enable_seqscan = off
AS $function$
BEGIN
    IF OLD.is_active AND NOT NEW.is_active THEN
        NEW.deactivated_at := clock_timestamp();
        DELETE FROM accounts_addresschange WHERE user_id = NEW.id;
    END IF;
    -- The rule `address_of_claimed` lets an inactive account lose its address. So an account in use needs an address
    -- before it is activated again.
    IF NEW.is_active AND NOT OLD.is_active AND NEW.is_claimed AND NEW.email = '' AND NOT is_migrator()
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
