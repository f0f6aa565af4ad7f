-- Mails the link to the new address, and a notice to the present one. Without a password the owner gets no link,
-- because only a second manager can confirm the address then.
CREATE OR REPLACE FUNCTION address_change_asked() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp SET enable_seqscan = off
AS $function$
BEGIN
    INSERT INTO accounts_mail (kind, user_id, address)
    SELECT 'address_confirmation', id, NEW.address FROM accounts_user
     WHERE id = NEW.user_id AND password NOT LIKE '!%';
    
    INSERT INTO accounts_mail (kind, user_id, address, is_address_confirmed)
    SELECT 'address_notice', account.id, account.email, true FROM accounts_user AS account
     WHERE account.id = NEW.user_id AND account.email_confirmed_at IS NOT NULL
       AND (
    SELECT count(*) FROM accounts_mail WHERE user_id = NEW.user_id AND kind = 'address_notice'
       AND created_at > statement_timestamp() - interval '1 day') < 3;

    -- Deeper: a write to accounts asked for it, which tells the managers once (`managers_told`).
    IF NEW.asked_by_id IS DISTINCT FROM NEW.user_id AND pg_trigger_depth() = 1 THEN
        PERFORM tell_managers(true);
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER address_change_asked
AFTER INSERT ON accounts_addresschange
FOR EACH ROW EXECUTE FUNCTION address_change_asked();
