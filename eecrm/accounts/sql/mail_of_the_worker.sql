-- Lets only the worker (no SET ROLE) write how a mail was delivered. Otherwise a user could pretend that managers were
-- mailed. A user may only have a mail sent again that was given up.
CREATE OR REPLACE FUNCTION mail_of_the_worker() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    IF current_setting('role') = 'none' OR pg_trigger_depth() > 1 THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' THEN
        NEW.created_at := statement_timestamp();
        NEW.due_at := statement_timestamp();
        NEW.attempts := 0;
        NEW.sent_at := NULL;
        NEW.given_up_at := NULL;
        NEW.deferrals := 0;
        NEW.is_refused := false;
        NEW.bounced_at := NULL;
        NEW.seen := '';
        RETURN NEW;
    END IF;
    IF NOT policy_allows('user.promote') THEN
        NEW.created_at := OLD.created_at;  -- triggers count the links and notices of a day by it
    END IF;
    NEW.sent_at := OLD.sent_at;
    NEW.bounced_at := OLD.bounced_at;
    NEW.seen := OLD.seen;
    IF OLD.given_up_at IS NOT NULL AND NEW.given_up_at IS NULL THEN
        NEW.due_at := statement_timestamp();
        NEW.attempts := 0;
        NEW.deferrals := 0;
        NEW.is_refused := false;
    ELSE
        NEW.due_at := OLD.due_at;
        NEW.attempts := OLD.attempts;
        NEW.deferrals := OLD.deferrals;
        NEW.given_up_at := OLD.given_up_at;
        NEW.is_refused := OLD.is_refused;
    END IF;
    RETURN NEW;
END
$function$;

CREATE OR REPLACE TRIGGER mail_of_the_worker
BEFORE INSERT OR UPDATE ON accounts_mail
FOR EACH ROW EXECUTE FUNCTION mail_of_the_worker();
