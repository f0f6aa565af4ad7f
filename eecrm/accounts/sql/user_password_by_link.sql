CREATE OR REPLACE FUNCTION user_password_by_link() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = eecrm, pg_temp
AS $function$
BEGIN
    -- Only an INSERT needs this check, because grants protect the column on UPDATE. An unusable hash starts with `!`.
    IF NOT is_migrator() AND NEW.password NOT LIKE '!%' AND NOT policy_allows('user.set_password') THEN
        PERFORM refuse('user_password_by_link');
    END IF;
    RETURN NEW;
END
$function$;

CREATE OR REPLACE TRIGGER user_password_by_link
BEFORE INSERT ON accounts_user
FOR EACH ROW EXECUTE FUNCTION user_password_by_link();
