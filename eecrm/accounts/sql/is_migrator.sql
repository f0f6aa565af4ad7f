-- True if the migrator or an administrator of PostgreSQL writes, on the server. The rules for users don't bind them.
-- Without SET ROLE, a session isn't theirs yet: the login role (`eecrm_app`) logs somebody in. It can also enter
-- 'none' in the middle of a statement that began with another role's grants. So this asks who logged in, too.
CREATE OR REPLACE FUNCTION is_migrator() RETURNS boolean
LANGUAGE sql STABLE
AS $function$
    SELECT current_setting('role') = 'none' AND pg_has_role(session_user, 'eecrm_migrator', 'MEMBER')
$function$;
