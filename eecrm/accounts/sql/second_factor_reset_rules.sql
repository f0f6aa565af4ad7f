-- Rules for the reset of a second factor: by another user only, and for a superuser by a superuser only.
CREATE OR REPLACE FUNCTION second_factor_reset_rules() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    -- Without SET ROLE the owner removes it, after entering a code.
    IF current_setting('role') = 'none' THEN
        RETURN OLD;
    END IF;
    IF OLD.user_id::text = current_setting('eecrm.user_id', true) THEN
        PERFORM refuse('second_factor_not_oneself');
    END IF;
    IF EXISTS (SELECT FROM accounts_user WHERE id = OLD.user_id AND is_superuser) AND NOT policy_allows('user.promote') THEN
        PERFORM refuse('user_superuser_guarded');
    END IF;
    RETURN OLD;
END
$function$;

CREATE OR REPLACE TRIGGER totp_reset_rules
BEFORE DELETE ON otp_totp_totpdevice
FOR EACH ROW EXECUTE FUNCTION second_factor_reset_rules();

CREATE OR REPLACE TRIGGER codes_reset_rules
BEFORE DELETE ON otp_static_staticdevice
FOR EACH ROW EXECUTE FUNCTION second_factor_reset_rules();
