-- Who binds an identity to an account can be that account: a superuser's is a superuser's matter, as is the account
-- itself.
CREATE OR REPLACE FUNCTION identity_rules() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
DECLARE
    guarded boolean;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.user_id, NEW.issuer, NEW.subject) IS DISTINCT FROM (OLD.user_id, OLD.issuer, OLD.subject) THEN
            PERFORM refuse('identity_stays');
        END IF;
        NEW.not_before := greatest(NEW.not_before, OLD.not_before);  -- tokens that were ended stay ended
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' THEN
        -- So that nobody gives the account a password at the same moment.
        PERFORM FROM accounts_user WHERE id = NEW.user_id FOR NO KEY UPDATE;
    END IF;
    SELECT is_superuser INTO guarded FROM accounts_user WHERE id = COALESCE(NEW.user_id, OLD.user_id);
    -- No role is entered while somebody logs in: then only enrol_identity can get here.
    IF guarded AND current_setting('role') <> 'none' AND NOT policy_allows('user.promote') THEN
        PERFORM refuse('user_superuser_guarded');
    END IF;
    IF TG_OP = 'INSERT' THEN
        -- What was ended before an identity was taken away stays ended.
        IF EXISTS (SELECT FROM accounts_user WHERE id = NEW.user_id AND logins_ended > 0) THEN
            NEW.not_before := date_trunc('second', clock_timestamp());
        END IF;
        -- And what was issued for another account, until the identity was taken away from that one or deleted with it.
        NEW.not_before := greatest(NEW.not_before, (
            SELECT date_trunc('second', max(at)) FROM audit.entry AS earlier
             WHERE table_name = TG_TABLE_NAME AND operation = 'delete'
               AND earlier.old ->> 'issuer' = NEW.issuer AND earlier.old ->> 'subject' = NEW.subject));
        -- An unusable one too: a link that was sent before dies with it. A newcomer's has just been made.
        UPDATE accounts_user SET password = unusable_password()
         WHERE id = NEW.user_id AND (password NOT LIKE '!%' OR current_setting('role') <> 'none');
    END IF;
    RETURN COALESCE(NEW, OLD);
END
$function$;

CREATE OR REPLACE TRIGGER identity_rules
BEFORE INSERT OR DELETE OR UPDATE ON accounts_externalidentity
FOR EACH ROW EXECUTE FUNCTION identity_rules();
