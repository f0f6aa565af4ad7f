-- The tokens of a text, which stood between spaces. U+0001 stands for punctuation in a token. A token has a letter.
-- If a text has only punctuation and symbols, such as ★★★, the whole text is its token.
CREATE OR REPLACE FUNCTION tokens_of(original text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $function$
DECLARE
    letters text COLLATE "C" := searched_letters_of(original);
BEGIN
    IF translate(letters, E' \u0001', '') = '' THEN
        letters := translate(normalize(original, NFKC), ' ', '');
    END IF;
    RETURN array_remove(array_remove(string_to_array(letters, ' '), E'\u0001'), '');
END
$function$;
