-- The search words of names. Names have weight A, email addresses B, telephone numbers C.
-- B and C are personal data. Contracts and events have their client's words of weight A and B.
-- The words are those of `words_of_token`. They are made with few calls, because each write of a name makes them.
CREATE OR REPLACE FUNCTION words_of(names text, weight text DEFAULT 'A') RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $function$
DECLARE
    words text := searched_letters_of(names);
BEGIN
    IF translate(words, E' \u0001', '') = '' THEN
        RETURN (
            SELECT coalesce(string_agg(concat(word, ':1', weight), ' '), '')
              FROM unnest(tokens_of(names)) AS token, unnest(words_of_token(token)) AS word
        )::tsvector;
    END IF;
    IF strpos(words, E'\u0001') > 0 THEN
        words := concat(replace(words, E'\u0001', ' '), ' ', replace(words, E'\u0001', ''));
    END IF;
    IF length(words) > 60 THEN
        words := regexp_replace(words, '([^ ]{60})[^ ]+', E'\\1', 'g');
    END IF;
    RETURN concat('''', regexp_replace(btrim(words), ' +', concat(''':1', weight, ' '''), 'g'), ''':1', weight)::tsvector;
END
$function$;
