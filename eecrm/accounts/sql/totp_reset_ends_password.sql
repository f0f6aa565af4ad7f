-- Ends the password of an account whose second factor another user resets.
-- Otherwise a thief who knows the password could set up the next second factor.
CREATE OR REPLACE FUNCTION totp_reset_ends_password() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    -- Without SET ROLE the owner removes it, after entering a code.
    IF current_setting('role') = 'none' OR NOT OLD.confirmed THEN
        RETURN NULL;
    END IF;
    -- The update fires a trigger that ends the logins, too. It finds no row if the account itself is being deleted.
    UPDATE accounts_user SET password = unusable_password() WHERE id = OLD.user_id;
    IF FOUND THEN
        INSERT INTO accounts_mail (kind, user_id, address, is_address_confirmed)
        SELECT 'factor_reset', id, email, email <> '' AND email_confirmed_at IS NOT NULL
          FROM accounts_user WHERE id = OLD.user_id;
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER totp_reset_ends_password
AFTER DELETE ON otp_totp_totpdevice
FOR EACH ROW EXECUTE FUNCTION totp_reset_ends_password();
