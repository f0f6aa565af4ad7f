-- Returns the key of the account's authenticator app. The SQL statement of a login calls it after locking the account.
-- VOLATILE (the default), so that it sees what others have committed before the lock was granted. A STABLE function
-- would see the data as it was when the statement began.
CREATE OR REPLACE FUNCTION second_factor_of(account bigint) RETURNS bigint
LANGUAGE plpgsql STRICT SET search_path = eecrm, pg_temp
AS $function$
 BEGIN RETURN (SELECT id FROM otp_totp_totpdevice WHERE user_id = account AND confirmed); END
$function$;
