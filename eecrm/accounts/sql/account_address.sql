CREATE OR REPLACE FUNCTION account_address() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp SET enable_seqscan = off
AS $function$
DECLARE
    has_password boolean := NEW.password NOT LIKE '!%';
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.is_claimed := has_password;
        NEW.email_confirmed_at := CASE WHEN has_password AND NEW.email <> '' THEN statement_timestamp() END;
        RETURN NEW;
    END IF;
    -- At depth > 1 a trigger writes a confirmed address.
    IF lower(NEW.email) = lower(OLD.email) AND NOT is_migrator() AND pg_trigger_depth() = 1 THEN
        -- Letter case makes no other address. Mail keeps going to the spelling that was confirmed, and the trail has no
        -- change of the address. Otherwise a manager would count as the account's maker (`account_makers`).
        NEW.email := OLD.email;
    ELSIF NOT is_migrator() AND pg_trigger_depth() = 1 THEN
        -- A thief of a session doesn't know the password. Owners use the login role (`eecrm_app`), after their password
        -- was checked.
        IF OLD.is_claimed AND current_setting('eecrm.user_id', true) = NEW.id::text THEN
            PERFORM refuse('address_own');
        END IF;
        -- An account without an address gets no mail any more, not even about another address.
        IF OLD.is_claimed AND NEW.is_active AND NEW.email = '' AND NOT policy_allows('user.promote') THEN
            PERFORM refuse('address_of_claimed');
        END IF;
        IF OLD.is_claimed AND NEW.email <> '' THEN
            IF NOT EXISTS (SELECT FROM accounts_addresschange WHERE user_id = NEW.id AND lower(address) = lower(NEW.email)
                              AND created_at > statement_timestamp() - interval '7 days') THEN
                DELETE FROM accounts_addresschange WHERE user_id = NEW.id;
                INSERT INTO accounts_addresschange (user_id, address) VALUES (NEW.id, NEW.email);
            END IF;
            NEW.email := OLD.email;
        ELSE
            -- The invitation of a manager or auditor gives many rights to the reader of the new address. So the old
            -- address and the managers get a mail.
            IF OLD.is_claimed OR OLD.role IN ('management', 'auditor') OR OLD.is_superuser THEN
                
    INSERT INTO accounts_mail (kind, user_id, address, is_address_confirmed)
    SELECT 'address_changed', account.id, account.email, account.email_confirmed_at IS NOT NULL
      FROM accounts_user AS account
     WHERE account.id = OLD.id AND account.email <> ''
       AND (account.email_confirmed_at IS NOT NULL
            -- Invited, not yet in use. One such mail a day, because a manager chooses the address.
            OR NOT account.is_claimed AND NOT EXISTS (
                   SELECT FROM accounts_mail WHERE user_id = account.id AND kind = 'address_changed'
                      AND created_at > statement_timestamp() - interval '1 day'));

                DELETE FROM accounts_addresschange WHERE user_id = NEW.id;
            END IF;
            NEW.email_confirmed_at := NULL;
        END IF;
    END IF;
    -- The first password confirms the address: the password was chosen by the invitation that was mailed there, or the
    -- server's operator has set it.
    IF has_password AND NOT OLD.is_claimed AND NEW.email <> '' THEN
        NEW.email_confirmed_at := statement_timestamp();
    END IF;
    NEW.is_claimed := OLD.is_claimed OR NEW.is_claimed OR has_password;
    RETURN NEW;
END
$function$;

CREATE OR REPLACE TRIGGER account_address
BEFORE INSERT OR UPDATE OF email, password, is_claimed ON accounts_user
FOR EACH ROW EXECUTE FUNCTION account_address();
