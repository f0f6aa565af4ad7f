-- The search for a telephone number with these digits, in its national or its international form.
-- The international form may begin with 00. The national form may begin with 0, or with 8 as in Russia.
CREATE OR REPLACE FUNCTION phone_query(digits text) RETURNS tsquery
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $function$
    SELECT ('''+' || reverse(digits) || ''':*C | ''+'
            || reverse(regexp_replace(digits, '^(00?|8(?=[0-9]{10}$))', '')) || ''':*C')::tsquery
$function$;
