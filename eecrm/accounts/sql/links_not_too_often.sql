-- Limits the password links mailed to one account to five a day, no matter how many users ask for them.
CREATE OR REPLACE FUNCTION links_not_too_often() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp SET enable_seqscan = off
AS $function$
BEGIN
    IF current_setting('role') <> 'none' AND NEW.kind IN ('invitation', 'password_reset') AND (
        SELECT count(*) FROM accounts_mail WHERE user_id = NEW.user_id AND kind IN ('invitation', 'password_reset')
           AND created_at > statement_timestamp() - interval '1 day') >= 5 THEN
        PERFORM refuse('links_too_often');
    END IF;
    RETURN NEW;
END
$function$;

CREATE OR REPLACE TRIGGER links_not_too_often
BEFORE INSERT ON accounts_mail
FOR EACH ROW EXECUTE FUNCTION links_not_too_often();
