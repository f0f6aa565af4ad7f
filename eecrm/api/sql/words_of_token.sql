-- The search words of a token, quoted: its parts between punctuation, and the parts joined.
-- So O'Brien is found as o'brien, obrien and brien. A word has at most 60 letters, because GIN limits the size of a key.
CREATE OR REPLACE FUNCTION words_of_token(token text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $function$
DECLARE
    words text[] := array_remove(string_to_array(token, E'\u0001'), '');
    quoted text[] := '{}';
    word text;
BEGIN
    IF cardinality(words) > 1 THEN
        words := words || replace(token, E'\u0001', '');
    END IF;
    FOREACH word IN ARRAY words LOOP
        quoted := quoted
            || concat('''', replace(replace(left(word, 60), chr(92), repeat(chr(92), 2)), '''', ''''''), '''');
    END LOOP;
    RETURN quoted;
END
$function$;
