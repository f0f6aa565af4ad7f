CREATE OR REPLACE FUNCTION mail_to_its_account() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    -- Whoever could choose where a link goes could set the password of any account.
    -- Deeper, a trigger queues what bears no link.
    IF current_setting('role') = 'none' OR policy_allows('user.set_password') OR pg_trigger_depth() > 1 THEN
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
