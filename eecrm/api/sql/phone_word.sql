-- The search word of a telephone number in E.164, with weight C: + and the digits from the last to the first.
-- A number in its national form has other first digits, but the same last digits.
CREATE OR REPLACE FUNCTION phone_word(number text) RETURNS tsvector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $function$
    SELECT CASE WHEN number = '' THEN ''::tsvector ELSE ('''+' || reverse(ltrim(number, '+')) || ''':1C')::tsvector END
$function$;
