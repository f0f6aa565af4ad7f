-- Mails the owner and the managers when an identity is bound to an account or removed.
-- An account that the same statement has created, as `enrol_identity` does, is no news. The owner of a deleted account
-- gets no mail.
CREATE OR REPLACE FUNCTION identity_told() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    IF NOT is_migrator() AND NOT EXISTS (
        SELECT FROM accounts_user WHERE id = NEW.user_id AND date_joined = statement_timestamp()) THEN
        INSERT INTO accounts_mail (kind, user_id, address, is_address_confirmed)
        SELECT CASE TG_OP WHEN 'INSERT' THEN 'identity_bound' ELSE 'identity_removed' END, id, email, true
          FROM accounts_user
         WHERE id = coalesce(NEW.user_id, OLD.user_id) AND email <> '' AND email_confirmed_at IS NOT NULL;
        PERFORM tell_managers(true);
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER identity_told
AFTER INSERT OR DELETE ON accounts_externalidentity
FOR EACH ROW EXECUTE FUNCTION identity_told();
