-- Lets only superusers bind an identity to an account in use.
-- It runs after `identity_rules`, which locks the account, because PostgreSQL runs the triggers of an event by name.
CREATE OR REPLACE FUNCTION identity_unclaimed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    IF NOT is_migrator() AND NOT policy_allows('user.promote')
       AND (SELECT is_claimed FROM accounts_user WHERE id = NEW.user_id) THEN
        PERFORM refuse('identity_of_claimed');
    END IF;
    RETURN NEW;
END
$function$;

CREATE OR REPLACE TRIGGER identity_unclaimed
BEFORE INSERT ON accounts_externalidentity
FOR EACH ROW EXECUTE FUNCTION identity_unclaimed();
