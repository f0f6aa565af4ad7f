-- Copies a confirmed address to the account, deletes the request, and mails the old address and the managers.
CREATE OR REPLACE FUNCTION address_change_confirmed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp SET enable_seqscan = off
AS $function$
BEGIN
    
    INSERT INTO accounts_mail (kind, user_id, address, is_address_confirmed)
    SELECT 'address_changed', account.id, account.email, account.email_confirmed_at IS NOT NULL
      FROM accounts_user AS account
     WHERE account.id = NEW.user_id AND account.email <> ''
       AND (account.email_confirmed_at IS NOT NULL
            -- Invited, not yet in use. One such mail a day, because a manager chooses the address.
            OR NOT account.is_claimed AND NOT EXISTS (
                   SELECT FROM accounts_mail WHERE user_id = account.id AND kind = 'address_changed'
                      AND created_at > statement_timestamp() - interval '1 day'));

    UPDATE accounts_user SET email = NEW.address, email_confirmed_at = statement_timestamp() WHERE id = NEW.user_id;
    DELETE FROM accounts_addresschange WHERE id = NEW.id;
    IF NEW.confirmed_by_id IS DISTINCT FROM NEW.user_id THEN
        PERFORM tell_managers(true);
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER address_change_confirmed
AFTER UPDATE OF confirmed_by_id ON accounts_addresschange
FOR EACH ROW EXECUTE FUNCTION address_change_confirmed();
