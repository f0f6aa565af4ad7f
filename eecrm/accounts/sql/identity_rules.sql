-- Rules of accounts' identities at the provider. A user who binds an identity to an account can log in to that account,
-- so only superusers may do this for a superuser's account.
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
        -- Lock the account, so that nobody gives it a password at the same moment.
        PERFORM FROM accounts_user WHERE id = NEW.user_id FOR NO KEY UPDATE;
    END IF;
    SELECT is_superuser INTO guarded FROM accounts_user WHERE id = COALESCE(NEW.user_id, OLD.user_id);
    IF guarded AND NOT is_migrator() AND NOT policy_allows('user.promote') THEN
        PERFORM refuse('user_superuser_guarded');
    END IF;
    IF TG_OP = 'INSERT' THEN
        -- Tokens that were ended under an earlier identity of the account stay ended.
        IF EXISTS (SELECT FROM accounts_user WHERE id = NEW.user_id AND logins_ended > 0) THEN
            NEW.not_before := date_trunc('second', clock_timestamp());
        END IF;
        -- So do tokens that were issued while the same identity belonged to another account.
        NEW.not_before := greatest(NEW.not_before, (
            SELECT date_trunc('second', max(at)) FROM audit.entry AS earlier
             WHERE table_name = TG_TABLE_NAME AND operation = 'delete'
               AND earlier.old ->> 'issuer' = NEW.issuer AND earlier.old ->> 'subject' = NEW.subject));
        -- A new unusable password replaces even an unusable one, so that links sent before end. An account that the
        -- same statement has created, as `enrol_identity` does, has had no link.
        UPDATE accounts_user SET password = unusable_password()
         WHERE id = NEW.user_id AND (password NOT LIKE '!%' OR date_joined <> statement_timestamp());
    END IF;
    RETURN COALESCE(NEW, OLD);
END
$function$;

CREATE OR REPLACE TRIGGER identity_rules
BEFORE INSERT OR DELETE OR UPDATE ON accounts_externalidentity
FOR EACH ROW EXECUTE FUNCTION identity_rules();
