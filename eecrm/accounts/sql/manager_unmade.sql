-- Another user ended that an account is a manager's or an auditor's: its owner gets a mail, three a day at most, because no
-- news reaches it afterwards. Commands on the server are the operator's own, and no news.
CREATE OR REPLACE FUNCTION manager_unmade() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp SET enable_seqscan = off
AS $function$
BEGIN
    IF current_setting('eecrm.user_id', true) <> '' AND OLD.email <> '' AND OLD.email_confirmed_at IS NOT NULL
       AND OLD.is_active AND (OLD.role IN ('management', 'auditor') OR OLD.is_superuser)
       AND NOT (NEW.is_active AND (NEW.role IN ('management', 'auditor') OR NEW.is_superuser))
       AND (SELECT count(*) FROM accounts_mail WHERE user_id = OLD.id AND kind = 'manager_unmade'
               AND created_at > statement_timestamp() - interval '1 day') < 3 THEN
        INSERT INTO accounts_mail (kind, user_id, address, is_address_confirmed)
        VALUES ('manager_unmade', OLD.id, OLD.email, true);
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER manager_unmade
AFTER UPDATE OF role, is_superuser, is_active ON accounts_user
FOR EACH ROW EXECUTE FUNCTION manager_unmade();
