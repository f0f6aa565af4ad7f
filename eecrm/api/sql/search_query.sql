-- The query for a search text: each token must be the beginning of a word, or its parts must be beginnings of words.
-- Six digits or more in a row may be a telephone number, too. In +33 (0)1 the zero in brackets isn't dialled.
-- With `is_masked` only words of weight A count, because words of weight B and C are personal data.
CREATE OR REPLACE FUNCTION search_query(asked text, is_masked boolean) RETURNS tsquery
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $function$
DECLARE
    prefix text := CASE WHEN is_masked THEN ':*A' ELSE ':*' END;
    token text;
    words text[];
    condition text;
    conditions text[] := '{}';
    digits text := '';
    numbers text[] := '{}';  -- the conditions of the tokens in `digits`
BEGIN
    FOREACH token IN ARRAY tokens_of(regexp_replace(asked, '[(]0[)]', ' ', 'g')) || NULL::text LOOP
        words := words_of_token(token);
        condition := array_to_string(words[:greatest(cardinality(words) - 1, 1)], prefix || ' & ') || prefix;
        IF cardinality(words) > 1 THEN
            condition := format('(%s | %s)', condition, words[cardinality(words)] || prefix);
        END IF;
        IF token ~ E'^[0-9\u0001]+$' AND NOT is_masked THEN
            digits := digits || translate(token, E'\u0001', '');
            numbers := numbers || condition;
            CONTINUE;
        END IF;
        IF length(digits) BETWEEN 6 AND 20 THEN
            numbers := ARRAY[format('(%s | %s)', array_to_string(numbers, ' & '), phone_query(digits))];
        END IF;
        conditions := conditions || numbers || condition;
        digits := '';
        numbers := '{}';
    END LOOP;
    RETURN array_to_string(conditions, ' & ')::tsquery;
END
$function$;
