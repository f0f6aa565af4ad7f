-- A thief who knows the password would be the first to set up the next second factor.
CREATE OR REPLACE FUNCTION totp_reset_ends_password() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    -- Owners remove their own as the login role, after a code.
    IF current_setting('role') = 'none' OR NOT OLD.confirmed THEN
        RETURN NULL;
    END IF;
    -- A trigger of accounts ends their logins with it. The account may be gone itself, and its factor with it.
    UPDATE accounts_user SET password = unusable_password() WHERE id = OLD.user_id;
    IF FOUND THEN
        INSERT INTO accounts_mail (kind, user_id, address) VALUES ('factor_reset', OLD.user_id, '');
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE TRIGGER totp_reset_ends_password
AFTER DELETE ON otp_totp_totpdevice
FOR EACH ROW EXECUTE FUNCTION totp_reset_ends_password();
