-- As Django marks a password that nothing matches: the rest makes sure that no one-time link outlives it.
CREATE OR REPLACE FUNCTION unusable_password() RETURNS text
LANGUAGE sql
AS $function$
 SELECT '!' || replace(gen_random_uuid()::text, '-', '')
$function$;
