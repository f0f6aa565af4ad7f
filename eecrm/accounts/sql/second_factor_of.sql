-- The statement that logs somebody in asks this after it has locked the account: VOLATILE, so that it sees what others
-- have committed by then, and not what the statement saw when it began.
CREATE OR REPLACE FUNCTION second_factor_of(account bigint) RETURNS bigint
LANGUAGE plpgsql STRICT SET search_path = eecrm, pg_temp
AS $function$
 BEGIN RETURN (SELECT id FROM otp_totp_totpdevice WHERE user_id = account AND confirmed); END
$function$;
