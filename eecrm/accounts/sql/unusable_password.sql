-- Returns an unusable password: `!`, as in Django, and random text. The new value ends all one-time links to a
-- password.
CREATE OR REPLACE FUNCTION unusable_password() RETURNS text
LANGUAGE sql
AS $function$
 SELECT '!' || replace(gen_random_uuid()::text, '-', '')
$function$;
