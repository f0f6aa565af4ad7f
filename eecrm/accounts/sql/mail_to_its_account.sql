CREATE OR REPLACE FUNCTION mail_to_its_account() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    -- A user who could choose the address of a mail with a link could set the password of any account.
    -- Mails that another trigger queues (depth > 1) are allowed: they send no password link to a chosen address.
    -- Without SET ROLE, the login role may queue any mail, but not change where one goes.
    IF is_migrator() OR policy_allows('user.set_password') OR pg_trigger_depth() > 1
       OR current_setting('role') = 'none' AND TG_OP = 'INSERT' THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' AND NEW.address <> '' OR TG_OP = 'UPDATE' AND
       (NEW.kind, NEW.user_id, NEW.address) IS DISTINCT FROM (OLD.kind, OLD.user_id, OLD.address) THEN
        PERFORM refuse('mail_to_its_account');
    END IF;
    RETURN NEW;
END
$function$;

CREATE OR REPLACE TRIGGER mail_to_its_account
BEFORE INSERT OR UPDATE ON accounts_mail
FOR EACH ROW EXECUTE FUNCTION mail_to_its_account();
